"""What every part of conf/ promises: a new part is tested by its YAML alone."""

import copy
import inspect
import math
import os
import random
import re

import numpy as np
import pytest
import torch
import yaml
from argument_values import accepts, candidates, ranges, unbounded_numbers
from part_files import CONF, annotations, choice, code_and_arguments, option_names, saved

from dlx.config.build import argument_problems, runtime_of
from dlx.config.options import LIST_GROUPS, PART_GROUPS, describe_option
from dlx.core.ranges import problem
from dlx.core.vision import torchvision
from dlx.record.safe_yaml import read_yaml

OPTIONS = [(group, option) for group in PART_GROUPS for option in option_names(group)]
INTERVAL = re.compile(r"in ([\[(][^,()\[\]]+, ?[^,()\[\]]+[\])])")
EXAMPLE_RUNTIME = {"input_shape": (1, 28, 28), "num_outputs": 10}
EXAMPLE_TOKENS = {"input_shape": (28,), "num_outputs": 10, "layout": "tokens", "kind": "classification",
                  "vocabulary_size": 20, "next_token": False}

every_part = pytest.mark.parametrize(("group", "option"), OPTIONS, ids=lambda value: value)


def documented_arguments(code):
    """The lines under "Args:" of a docstring, by argument."""
    text = inspect.cleandoc(code.__doc__ or "").partition("Args:\n")[2]
    section = re.split(r"\n(?=\S)", text)[0]
    entries = re.split(r"\n(?=    \S)", "\n" + section.rstrip())
    found = {}
    for entry in filter(str.strip, entries):
        names, _, meaning = entry.strip().partition(":")
        found |= dict.fromkeys(re.split(r", ", names), " ".join(meaning.split()))
    return found


@every_part
def test_part_yaml_and_runtime_give_exactly_the_arguments_of_the_code(group, option):
    code, arguments = code_and_arguments(group, option)
    parameters = inspect.signature(code).parameters.values()
    runtime = runtime_of(group, code, arguments)
    assert not {parameter.name for parameter in parameters if parameter.default is not parameter.empty}
    assert all(parameter.kind is parameter.POSITIONAL_OR_KEYWORD or parameter.kind is parameter.KEYWORD_ONLY
               for parameter in parameters)
    assert not arguments.keys() & runtime
    assert arguments.keys() | runtime == {parameter.name for parameter in parameters}


@every_part
def test_part_defaults_fit_their_annotations(group, option):
    code, arguments = code_and_arguments(group, option)
    hints = annotations(code)
    assert arguments.keys() <= hints.keys()
    assert {name: problem(hints[name], value) for name, value in arguments.items()} == dict.fromkeys(arguments)
    assert argument_problems(option, code, arguments, runtime_of(group, code, arguments)) == []


@every_part
def test_part_numbers_have_ranges(group, option):
    code, arguments = code_and_arguments(group, option)
    hints = annotations(code)
    assert [name for name in arguments if unbounded_numbers(hints[name])] == []


@every_part
def test_part_values_are_refused_exactly_where_the_annotation_forbids_them(group, option):
    code, arguments = code_and_arguments(group, option)
    hints, runtime = annotations(code), runtime_of(group, code, arguments)
    for name, default in arguments.items():
        for value in candidates(hints[name], default):
            problems = argument_problems("here", code, {**arguments, name: value}, runtime)
            if accepts(hints[name], value):
                assert problems == [], (name, value)
            else:
                assert len(problems) == 1, (name, value)
                assert problems[0].startswith(f"here.{name} must be ")
                assert problems[0].endswith(f", got {value!r}")
                is_list = isinstance(default, list) or " a list" in problems[0]
                assert all(limit.text in problems[0] for limit in ranges(hints[name])) or is_list


@every_part
def test_part_arguments_missing_unknown_or_of_runtime_are_named(group, option):
    code, arguments = code_and_arguments(group, option)
    runtime = runtime_of(group, code, arguments)
    wrong = {"no_such_argument": 1, **dict.fromkeys(sorted(runtime), 1)}
    problems = argument_problems("here", code, wrong, runtime)
    assert problems[0].startswith("here.no_such_argument is not an argument of ")
    assert problems[1:] == [*(f"here.{name} comes from the data and cannot be set" for name in sorted(runtime)),
                            *(f"here.{name} is missing" for name in inspect.signature(code).parameters
                              if name in arguments)]


@every_part
def test_part_docstring_explains_each_argument_and_no_other(group, option):
    code, _ = code_and_arguments(group, option)
    assert len(inspect.cleandoc(code.__doc__ or "").split("\n\n")[0]) > 10
    documented = documented_arguments(code)
    assert list(documented) == list(inspect.signature(code).parameters)
    assert all(documented.values())


@every_part
def test_part_docstring_states_the_ranges_that_are_checked(group, option):
    code, arguments = code_and_arguments(group, option)
    hints, documented = annotations(code), documented_arguments(code)
    for name in arguments:
        stated = INTERVAL.findall(documented.get(name, ""))
        assert set(stated) <= {limit.text for limit in ranges(hints[name])}, name


@every_part
def test_part_construction_changes_neither_arguments_nor_global_state(group, option):
    # Imports that parts leave to their construction set variables of torch's compiler.
    torchvision()
    code, arguments = code_and_arguments(group, option)
    runtime = runtime_of(group, code, arguments)
    example = EXAMPLE_TOKENS if "vocabulary_size" in runtime else EXAMPLE_RUNTIME
    given = {**copy.deepcopy(arguments), **{name: example[name] for name in runtime}}
    before = global_state()
    made = code(**given)
    if group == "model":
        # The draws of layers are kept from the global generator by `keyed_global`; see test_model.py.
        before["torch"] = torch.get_rng_state().tolist()
    assert global_state() == before
    assert {name: given[name] for name in arguments} == arguments
    assert not isinstance(made, type)


def global_state():
    return {"torch": torch.get_rng_state().tolist(), "numpy": str(np.random.get_state()), "random": random.getstate(),
            "threads": torch.get_num_threads(), "dtype": torch.get_default_dtype(), "grad": torch.is_grad_enabled(),
            "deterministic": torch.are_deterministic_algorithms_enabled(), "folder": os.getcwd(),
            "environment": dict(os.environ)}


@every_part
def test_part_survives_the_saved_form_of_a_run_folder(group, option, tmp_path):
    config = saved(choice(group, option))
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    again = read_yaml(tmp_path / "config.yaml")
    assert again == config
    assert str(again[group]) == str(config[group])
    part = again[group][option] if group in LIST_GROUPS else again[group]
    assert part["part"] in option_names(group)


@every_part
def test_part_can_be_described_without_being_imported(group, option):
    sentence = describe_option(CONF / group / f"{option}.yaml")
    assert 10 < len(sentence) < 400


@pytest.mark.parametrize(("group", "option"), [pair for pair in OPTIONS if pair[0] in LIST_GROUPS],
                         ids=lambda value: value)
def test_part_of_a_list_lies_in_a_package_of_its_own(group, option):
    assert (CONF / group / f"{option}.yaml").read_text().splitlines()[0] == f"# @package {group}.{option}"
    assert list(saved(choice(group, option))[group]) == [option]


@pytest.mark.parametrize("group", LIST_GROUPS)
def test_part_lists_keep_the_order_in_which_they_are_typed(group):
    names = option_names(group)
    for order in (names, names[::-1]):
        assert list(saved(choice(group, *order))[group]) == order


def test_argument_values_agree_with_mathematics():
    assert math.nextafter(1.0, 0.0) < 1.0
    rate = annotations(code_and_arguments("regularizer", "dropout")[0])["rate"]
    assert [accepts(rate, value) for value in (0, 0.0, math.nextafter(1.0, 0), 1.0, -0.1, True, math.nan, "0")] == [
        True, True, True, False, False, False, False, False]
