"""From the saved form of a configuration to parts: names looked up, values checked against annotations, code called."""

from __future__ import annotations

import functools
import importlib
import inspect
import sys
import typing
from collections.abc import Callable, Collection, Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dlx.config import options
from dlx.config.options import OFFERED, RUNTIME
from dlx.config.saved import PART
from dlx.config.schema import root_problems
from dlx.core.errors import ArtefactError, ConfigError
from dlx.core.model_keys import SIZES, ModelKeys, divide_model
from dlx.core.ranges import problem
from dlx.core.train_keys import divide_dataset, divide_optimizer

if TYPE_CHECKING:
    from dlx.core.search import Search
    from dlx.core.subject import Section
    from dlx.core.types import Dataset
    from dlx.engine.parts import Parts

# Stands for what the user has just typed; no package can have this name.
ANY_PACKAGE = "any package that was typed"
MAX_PARTS = 64
# What the code of a group is used for; whatever lacks it is something else.
USES = {"dataset": ("spec", "load"), "split": ("__call__",), "preprocessing": ("fit", "apply"),
        "loss": ("__call__", "kinds"), "metric": ("value", "interval", "kind", "greater_is_better"),
        "optimizer": ("__call__",), "schedule": ("factor",), "device": ("place", "check"),
        "report": ("measure",), "search": ("ask", "objective", "direction")}


def build(saved: Mapping[str, Any], trust: Collection[str], checkpoint_seconds: float = 20.0) -> Parts:
    """Build the parts of a run and check that they fit together.

    Args:
        saved: see `dlx.config.saved`.
        trust: packages whose code may be named by a dotted path; ANY_PACKAGE for what the user has just typed.
        checkpoint_seconds: between checkpoints.

    Raises:
        ConfigError: every value out of range and every combination that cannot work, together.
        ArtefactError: a part that is neither of dlx nor of a trusted package.
    """
    from dlx.engine.classes import Classes
    from dlx.engine.freeze import Freeze
    from dlx.engine.param_groups import ParamGroups
    from dlx.engine.parts import Parts, Settings
    from dlx.engine.problems import part_problems
    from dlx.engine.source import InitFrom
    from dlx.engine.train_rows import TrainRows

    plain_keys = [key for key in Settings.__annotations__ if key != "checkpoint_seconds"]
    problems = structure_problems(saved, plain_keys) or root_problems(dict(saved))
    if problems:
        raise ConfigError(*problems)
    made: dict[str, Any] = {}
    broken: set[str] = set()
    rows, dataset = divide_dataset(saved["dataset"])
    model_keys, model = divide_model(saved["model"])
    sizes = {name: model_keys.pop(name) for name in SIZES}
    groups, optimizer = divide_optimizer(saved["optimizer"])
    saved = {**saved, "dataset": dataset, "model": model, "optimizer": optimizer}
    for group in options.PART_GROUPS:
        before = len(problems)
        if group in options.LIST_GROUPS:
            made[group] = {name: _make(group, f"{group}.{name}", values, trust, problems)
                           for name, values in saved[group].items()}
        else:
            made[group] = _make(group, group, saved[group], trust, problems)
        if group == "model":
            made[group] = _changed_model(sizes, model, made[group], problems)
        if len(problems) > before:
            broken.add(group)
    # A run that was saved before there was such a key has all classes.
    classes = _made("dataset", Classes, {"classes": rows.pop("classes", None)}, frozenset(), problems)
    if classes is None:
        broken.add("dataset")
    train_rows = _made("dataset", TrainRows, rows, frozenset(), problems)
    init_from = _made("model", InitFrom, {"init_from": model_keys["init_from"]}, frozenset(), problems)
    freeze = _made("model", Freeze, {"freeze": model_keys["freeze"]}, frozenset(), problems)
    if init_from is None or freeze is None:
        broken.add("model")
    param_groups = _made("optimizer", ParamGroups, groups, frozenset(), problems)
    if param_groups is None:
        broken.add("optimizer")
    settings = Settings(**{key: saved[key] for key in plain_keys}, checkpoint_seconds=checkpoint_seconds)
    parts = Parts(settings, made["dataset"], classes, train_rows, made["split"], made["preprocessing"], made["model"],
                  init_from, freeze, made["loss"], made["metric"], made["optimizer"], param_groups, made["schedule"],
                  made["regularizer"], made["device"], made["report"])
    problems += part_problems(parts, broken)
    if problems:
        raise ConfigError(*problems)
    return parts


def make_search(part: Any, trust: Collection[str]) -> Search:
    """Build the part that asks for the points of a sweep.

    Raises:
        ConfigError: values out of range.
        ArtefactError: a part that is neither of dlx nor of a trusted package.
    """
    search: Search = _make_alone("search", part, trust)
    return search


def make_report(sections: Mapping[str, Any], trust: Collection[str]) -> dict[str, Section]:
    """Build the sections of a report.

    Args:
        sections: by name, as saved.

    Raises:
        ConfigError: values out of range.
        ArtefactError: a part that is neither of dlx nor of a trusted package.
    """
    problems: list[str] = []
    made = {name: _make("report", f"report.{name}", values, trust, problems) for name, values in sections.items()}
    if problems:
        raise ConfigError(*problems)
    return made


def make_dataset(part: Mapping[str, Any], trust: Collection[str]) -> Dataset:
    """Build a dataset by itself, whatever the other parts are for.

    Raises:
        ConfigError: values out of range.
        ArtefactError: a part that is neither of dlx nor of a trusted package.
    """
    dataset: Dataset = _make_alone("dataset", divide_dataset(part)[1], trust)
    return dataset


def _make_alone(group: str, part: Any, trust: Collection[str]) -> Any:
    problems: list[str] = []
    made = _make(group, group, part, trust, problems)
    if problems:
        raise ConfigError(*problems)
    return made


def structure_problems(saved: Mapping[str, Any], plain_keys: Collection[str]) -> list[str]:
    """Say where a saved configuration has not the shape of one."""
    keys = [*plain_keys, *options.PART_GROUPS]
    problems = [f"{key} is missing" for key in keys if key not in saved]
    problems += [f"unknown key {str(key)[:100]}" for key in saved if key not in keys][:5]
    for group in options.PART_GROUPS:
        value = saved.get(group, {})
        many = group in options.LIST_GROUPS
        inner = list(value.values()) if many and isinstance(value, dict) else [value]
        if not all(isinstance(item, dict) for item in inner):
            problems.append(f"{group} must be {'parts by name' if many else 'a part'}")
        elif len(inner) > MAX_PARTS:
            problems.append(f"{group} has {len(inner)} parts, at most {MAX_PARTS} are possible")
    return problems


def lookup(group: str, name: Any, trust: Collection[str]) -> Callable[..., Any]:
    """Return the code of a part.

    Raises:
        ArtefactError: the name is neither an option of dlx nor in a trusted package.
        ConfigError: a trusted name that cannot be imported.
    """
    if name is None:
        raise ConfigError(f"the {group} that is chosen names no code: its YAML file lacks _target_")
    target = options.targets(group).get(name) if isinstance(name, str) else None
    if target is not None:
        return _import(target)
    package = str(name).split(".", 1)[0]
    if isinstance(name, str) and "." in name and ANY_PACKAGE in trust:
        return _import_user(group, name)
    if isinstance(name, str) and "." in name and package in trust:
        code = _import_user(group, name)
        # A trusted package may hold names that it imported from elsewhere, os.system for one.
        if str(getattr(code, "__module__", "")).split(".", 1)[0] == package:
            return code
    known = ", ".join(options.targets(group))
    if ANY_PACKAGE in trust:
        raise ConfigError(f"{group}._target_={str(name)[:100]} names no code; write PACKAGE.NAME, or choose {group} "
                          f"among {known}")
    raise ArtefactError(f"{group} part {str(name)[:100]!r} is refused: it is none of dlx's ({known}); "
                        f"for code of your own, name its package: --trust PACKAGE")


def argument_problems(where: str, code: Callable[..., Any], values: Mapping[str, Any], runtime: Collection[str]
                      ) -> list[str]:
    """Compare values with the signature and annotations of a part's code."""
    parameters = _parameters(code)
    takes_any = any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in parameters.values())
    hints = _hints(code)
    problems = []
    for name, value in values.items():
        if name in runtime:
            problems.append(f"{where}.{name} comes from the data and cannot be set")
        elif name not in parameters and not takes_any:
            problems.append(f"{where}.{name} is not an argument of {code.__name__}{options.near(name, parameters)}")
        elif name in hints and (wrong := problem(hints[name], value)) is not None:
            problems.append(f"{where}.{name} must be {wrong}, got {value!r}")
    problems += [f"{where}: {code.__name__} does not take {name}" for name in sorted(runtime)
                 if name not in parameters and not takes_any]
    for name, parameter in parameters.items():
        required = parameter.default is parameter.empty and parameter.kind not in (parameter.VAR_KEYWORD,
                                                                                   parameter.VAR_POSITIONAL)
        if required and name not in values and name not in runtime:
            problems.append(f"{where}.{name} is missing")
    return problems


def runtime_of(group: str, code: Callable[..., Any], arguments: Mapping[str, Any]) -> frozenset[str]:
    """Return the arguments of a part's code whose values come from the data.

    Code of the user's may have arguments of its own of the names that are offered: those are set.
    """
    offered = OFFERED.get(group, frozenset()) & _parameters(code).keys()
    if not str(code.__module__).startswith("dlx."):
        offered -= arguments.keys()
    return RUNTIME.get(group, frozenset()) | offered


def _make(group: str, where: str, values: Any, trust: Collection[str], problems: list[str]) -> Any:
    if not isinstance(values, dict) or PART not in values:
        raise ConfigError(f"{where} must be a part, got {values!r}")
    arguments = {name: value for name, value in values.items() if name != PART}
    try:
        code = lookup(group, values[PART], trust)
    except ConfigError as error:
        problems += error.problems
        return None
    runtime = runtime_of(group, code, arguments)
    made = _made(where, code, arguments, runtime, problems)
    lacks = [] if made is None or runtime else [use for use in USES.get(group, ()) if not hasattr(made, use)]
    if lacks:
        problems.append(f"{where}: {code.__name__} is no {group}: it lacks {', '.join(lacks)}")
    return made


def _changed_model(keys: Mapping[str, Any], values: Mapping[str, Any], made: Any, problems: list[str]) -> Any:
    """Apply the keys of any model; the arguments that they make are held to the model's annotations, too."""
    changes = _made("model", ModelKeys, keys, frozenset(), problems)
    if made is None or changes is None:
        return made
    try:
        arguments = changes.changed(str(values[PART]), made.keywords)
    except ConfigError as error:
        problems += error.problems
        return made
    wrong = argument_problems("model", made.func, arguments, runtime_of("model", made.func, arguments))
    problems += [f"{text}, which {text.split()[0]}_multiplier makes" for text in wrong]
    return functools.partial(made.func, **arguments)


def _made(where: str, code: Callable[..., Any], arguments: Mapping[str, Any], runtime: Collection[str],
          problems: list[str]) -> Any:
    wrong = argument_problems(where, code, arguments, runtime)
    problems += wrong
    if wrong:
        return None
    if runtime:
        return functools.partial(code, **arguments)
    try:
        return code(**arguments)
    except ConfigError as error:
        problems += error.problems
        return None


@lru_cache(maxsize=1024)
def _parameters(code: Callable[..., Any]) -> Mapping[str, inspect.Parameter]:
    return inspect.signature(code).parameters


@lru_cache(maxsize=1024)
def _hints(code: Callable[..., Any]) -> dict[str, Any]:
    function: Any = code.__init__ if inspect.isclass(code) else code
    try:
        hints = typing.get_type_hints(function, include_extras=True)
    except (NameError, TypeError):
        # Code of the user's whose annotations need names that only a type checker imports.
        return {}
    return {name: hint for name, hint in hints.items() if _is_plain(hint)}


def _is_plain(hint: Any) -> bool:
    inner = typing.get_args(hint)
    if typing.get_origin(hint) in (typing.Annotated, list):
        return _is_plain(inner[0])
    if typing.get_origin(hint) is typing.Literal:
        return True
    return all(map(_is_plain, inner)) if inner else hint in (bool, int, float, str, None, type(None), typing.Any)


def _import(target: str) -> Callable[..., Any]:
    module, _, name = target.rpartition(".")
    code: Callable[..., Any] = getattr(importlib.import_module(module), name)
    return code


def _import_user(group: str, target: str) -> Callable[..., Any]:
    here = str(Path.cwd())
    added = here not in sys.path
    if added:
        sys.path.insert(0, here)
    try:
        code = _import(target)
        inspect.signature(code)
    except (ImportError, AttributeError, ValueError, TypeError) as error:
        raise ConfigError(f"{group}._target_={target} cannot be used: {error}") from error
    finally:
        if added:
            sys.path.remove(here)
    return code
