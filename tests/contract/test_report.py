"""What every section of the report promises: a new one is tested by its YAML alone."""

import importlib
import json
from dataclasses import replace

import numpy as np
import pytest
from part_files import make, option_names
from trained_runs import KINDS, copied, subject, trained

from dlx.core.measures import Measures
from dlx.core.types import Split
from dlx.record.measures import read_measures, write_measures
from dlx.report.files import read_run
from dlx.report.render import SECTIONS, compose

NAMES = option_names("report")
SPLITS = ("", "train_eval", "val", "test")

every_section = pytest.mark.parametrize("name", NAMES)
every_kind = pytest.mark.parametrize("kind", KINDS)


class Shuffled:
    """A subject whose examples come in another order."""

    def __init__(self, own):
        self._own = own
        draw = np.random.default_rng(0)
        self._orders = {name: draw.permutation(len(split.ids)) for name, split in own.splits.items()}
        self.splits = {name: Split(split.inputs[order], split.targets[order], split.ids[order])
                       for (name, split), order in zip(own.splits.items(), self._orders.values(), strict=True)}

    def __getattr__(self, name):
        return getattr(self._own, name)

    def said(self, split, checkpoint="best"):
        said, order = self._own.said(split, checkpoint), self._orders[split]
        outcome = said.outcome._replace(scores=said.outcome.scores[order], targets=said.outcome.targets[order])
        return said._replace(losses=said.losses[order], outcome=outcome,
                             logits=None if said.logits is None else said.logits[order])


_known = {}


def measured(name, kind):
    if (name, kind) not in _known:
        _known[name, kind] = make("report", name).measure(subject(trained(*KINDS[kind])))
    return _known[name, kind]


def plain(measures, digits=12):
    def rounded(value):
        return float(f"{value:.{digits}g}") if isinstance(value, float) else value
    return [{key: rounded(value) for key, value in vars(item).items()} for item in measures.numbers]


@every_section
@every_kind
def test_section_measures_or_says_why_not(name, kind):
    found = measured(name, kind)
    definitions = importlib.import_module(f"dlx.report.{name}").DEFINITIONS
    assert found.numbers or found.skipped or found.details
    assert {item.name for item in found.numbers} <= definitions.keys()
    keys = [(item.name, item.split, item.checkpoint, tuple(sorted(item.of.items()))) for item in found.numbers]
    assert len(set(keys)) == len(keys), "a number is there once"
    for item in found.numbers:
        assert item.split in SPLITS, item
        assert item.checkpoint in ("", "best", "last", "initial"), item
        assert item.value is not None or item.method, f"says why it is undefined: {item}"
        assert (item.low is None) == (item.high is None), item
        assert item.low is None or (item.method and item.level and item.low <= item.high), item
        assert "bootstrap" not in (item.method or "") or item.num_draws, f"says of how many draws: {item}"
        assert not item.name.endswith("p_value") or item.value is None or item.n, f"says of how many examples: {item}"
    assert all(text[0].isupper() and text.endswith(".") for text in found.skipped)


@every_section
def test_section_defines_its_numbers_with_source_or_formula(name):
    definitions = importlib.import_module(f"dlx.report.{name}").DEFINITIONS
    for number, definition in definitions.items():
        assert number.islower(), number
        assert len(definition.text) > 20, number
        assert definition.version >= 1


@every_section
@pytest.mark.parametrize("kind", ["images", "regression"])
def test_section_is_deterministic(name, kind):
    again = make("report", name).measure(subject(trained(*KINDS[kind])))
    assert plain(again, 17) == plain(measured(name, kind), 17)
    assert json.dumps(dict(again.details)) == json.dumps(dict(measured(name, kind).details))


@every_section
@pytest.mark.parametrize("kind", ["images", "regression"])
def test_section_does_not_depend_on_the_order_of_examples(name, kind):
    again = make("report", name).measure(Shuffled(subject(trained(*KINDS[kind]))))
    assert plain(again, 6) == plain(measured(name, kind), 6)


@every_section
@every_kind
def test_section_leaves_the_model_as_it_was(name, kind):
    own = subject(trained(*KINDS[kind]))
    model = own.model()
    before = {key: tensor.clone() for key, tensor in model.state_dict().items()}
    make("report", name).measure(own)
    assert not any(module.training for module in model.modules())
    assert all((tensor == before[key]).all() for key, tensor in model.state_dict().items())
    assert all(param.grad is None for param in model.parameters())


@every_section
@every_kind
def test_section_is_read_back_as_it_was_written(name, kind, tmp_path):
    found = replace(measured(name, kind), settings={"x": 1}, seconds=0.5)
    write_measures(tmp_path, name, found)
    back = read_measures(tmp_path)[name]
    assert plain(back, 17) == plain(found, 17)
    assert dict(back.details) == json.loads(json.dumps(dict(found.details)))
    assert (list(back.skipped), back.settings, back.seconds) == (list(found.skipped), {"x": 1}, 0.5)


def parts_of(section):
    return [section, *(inner for part in section.parts for inner in parts_of(part))]


@every_section
@every_kind
def test_section_is_shown_with_words_for_every_figure(name, kind, tmp_path):
    folder = copied(trained(*KINDS[kind]), tmp_path / "run")
    write_measures(folder, name, measured(name, kind))
    document = compose(read_run(folder), [name])
    for section in (inner for one in document.sections for inner in parts_of(one)):
        assert section.title
        for figure in section.figures:
            assert len(figure.alt) > 30, figure.name
            assert figure.caption.endswith("."), figure.name
        for table in section.tables:
            assert table.rows, table.title
            assert {len(row) for row in table.rows} == {len(table.columns)}, table.title
    names = [figure.name for figure in document.figures()]
    assert len(set(names)) == len(names)


@every_section
def test_section_of_a_run_that_was_not_measured_is_shown_too(name):
    compose(read_run(trained(*KINDS["images"])), [name])


def test_sections_are_shown_in_one_order():
    assert set(NAMES) <= set(SECTIONS)


def test_measures_of_nothing_are_nothing():
    assert Measures().find("accuracy") is None
