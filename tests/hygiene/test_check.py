"""All checks together, on every kind of data, on planted leaks and on odd data."""

import json

import numpy as np
import pytest

from dlx.core.ragged import Ragged
from dlx.core.types import Column, Outcome, TaskSpec
from dlx.hygiene.check import Model, check, report_of
from dlx.hygiene.data import Data
from dlx.metric.accuracy import Accuracy
from dlx.metric.rmse import Rmse
from dlx.metric.token_accuracy import TokenAccuracy
from dlx.report.checks import checks_of
from dlx.report.parts.hygiene import checks_section


def reader(inputs, rows):
    return lambda places: inputs[rows[places]]


def data_of(given, targets, spec, prepared=None, prepared_spec=None, notes=None, sizes=(0.6, 0.2), seed=0):
    order = np.random.default_rng(seed).permutation(len(targets))
    cuts = [int(sizes[0] * len(order)), int((sizes[0] + sizes[1]) * len(order))]
    rows = dict(zip(("train", "val", "test"), map(np.sort, np.split(order, cuts)), strict=True))
    prepared = given if prepared is None else prepared
    return Data(given, targets, notes or {}, spec, rows, {name: reader(prepared, own) for name, own in rows.items()},
                prepared_spec or spec)


def table(kind="classification", num_rows=300, width=5, seed=0):
    draw = np.random.default_rng(seed)
    values = draw.normal(size=(num_rows, width)).astype(np.float32)
    signal = values[:, 0] + draw.normal(size=num_rows)
    spec = TaskSpec(kind, "table", (width,), 2 if kind == "classification" else 1,
                    ("no", "yes") if kind == "classification" else (),
                    tuple(Column(f"c{number}") for number in range(width)))
    return values, (signal > 0).astype(np.int64) if kind == "classification" else signal, spec


def told(data, metrics=None, model=None):
    """Return the findings as the report reads them, by way of JSON."""
    raw = report_of(check(data), metrics or {"accuracy": Accuracy()}, data.rows, model)
    return checks_of(json.loads(json.dumps(raw, allow_nan=False)))


@pytest.mark.parametrize("kind", ["classification", "regression"])
def test_clean_data_has_no_problems(kind):
    values, targets, spec = table(kind)
    metrics = {"accuracy": Accuracy()} if kind == "classification" else {"rmse": Rmse()}
    found = told(data_of(values, targets, spec), metrics)
    assert found.problems == ()
    assert checks_section(found, None).sentences == (
        "No row of one split is in another, and no leak or larger shift was found in 300 rows.",)
    assert [len(own) for own in found.baselines.values()] == [4, 4]


def test_rows_of_test_that_train_has_are_a_problem_and_their_effect_is_told():
    values, targets, spec = table()
    data = data_of(values, targets, spec)
    train, test = data.rows["train"], data.rows["test"]
    values[test[:9]] = values[train[:9]]
    targets[test[:9]] = targets[train[:9]]
    values[test[9:12]] = values[train[20:23]] + np.float32(1e-4)
    scores = np.eye(2)[targets[test]]
    scores[12:] = 0.5
    outcomes = {"test": Outcome(scores, targets[test]), "val": Outcome(np.eye(2)[targets[data.rows["val"]]],
                                                                       targets[data.rows["val"]])}
    found = told(data, model=Model(outcomes, 0.95))
    assert found.problems[0].startswith("9 of 60 test rows are also in train, byte for byte: ")
    assert found.problems[1].startswith("3 of 60 test rows are also in train, nearly: ")
    accuracy = Accuracy().value(Outcome(scores[12:], targets[test][12:]))
    assert f"Without these rows accuracy on test is {100 * accuracy:.1f}% (n = 48) instead of" in found.problems[2]


def test_equal_rows_with_other_targets_are_a_problem():
    values, targets, spec = table()
    data = data_of(values, targets, spec)
    first, second = data.rows["train"][:2]
    values[second] = values[first]
    targets[second] = 1 - targets[first]
    (problem,) = told(data).problems
    assert problem.startswith("2 rows have an equal row with another target: no model can be right on more than 99.7%")


def test_a_column_made_of_the_target_is_a_problem():
    values, targets, spec = table()
    values[:, 3] = targets * 2 - 1
    (problem,) = told(data_of(values, targets, spec)).problems
    assert problem.startswith("c3 tells the target by itself: AUC of the worst pair of classes is 1.00")


def test_a_shifted_test_set_is_a_problem():
    values, targets, spec = table()
    data = data_of(values, targets, spec)
    values[data.rows["test"], 2] += 2
    problems = told(data).problems
    assert problems[0].startswith("A linear classifier tells test rows from train rows: AUC 0.9")
    assert problems[1].startswith("Of 5 properties, 1 is distributed differently in test and train: c2 (KS 0.")


def test_other_class_shares_in_test_are_a_problem():
    values, targets, spec = table()
    data = data_of(values, targets, spec)
    targets[data.rows["test"]] = 1
    assert any(text.startswith("Targets are distributed differently in test and train") for text in told(data).problems)


def test_groups_and_times_across_splits_are_problems():
    values, targets, spec = table()
    notes = {"speaker": np.arange(300) % 7, "date": np.arange(300).astype("datetime64[D]")}
    problems = told(data_of(values, targets, spec, notes=notes)).problems
    assert problems[0].startswith("speaker: 60 of 60 val rows, 60 of 60 test rows have a value that train has, too; ")
    assert any(text.startswith("date: ") and "earlier than the last of train" in text for text in problems)


def kinds():
    draw = np.random.default_rng(1)
    labels = np.arange(120) % 3
    names = ("a", "b", "c")
    images = draw.integers(0, 256, (120, 3, 40, 36), dtype=np.uint8)
    yield "image", images, labels, TaskSpec("classification", "image", (3, 40, 36), 3, names)
    holes = draw.normal(size=(120, 4)).astype(np.float32)
    holes[::5, 1], holes[:, 2] = np.nan, draw.integers(0, 4, 120)
    columns = (Column("x"), Column("holes"), Column("colour", tuple("rgbk")), Column("z"))
    yield "table", holes, labels, TaskSpec("classification", "table", (4,), 3, names, columns)
    tokens = draw.integers(1, 50, (120, 12))
    tokens[:, 9:] = 0
    yield "tokens", tokens, labels, TaskSpec("classification", "tokens", (12,), 3, names, vocabulary_size=50)
    yield "sequence", tokens, tokens, TaskSpec("sequence", "tokens", (12,), 50, vocabulary_size=50)
    series = draw.normal(size=(120, 50, 4)).astype(np.float32)
    series[:, :, -1] = np.arange(50) < draw.integers(10, 50, (120, 1))
    series *= series[:, :, -1:]
    yield "series", series, labels, TaskSpec("classification", "series", (50, 4), 3, names)
    texts = Ragged.of_texts(["".join(draw.choice(list("abc é"), int(draw.integers(0, 30)))) for _ in range(120)])
    yield "text", texts, labels, TaskSpec("classification", "text", (), 3, names)
    sounds = Ragged.of([draw.uniform(-1, 1, int(draw.integers(5, 900))).astype(np.float32) for _ in range(120)])
    yield "audio", sounds, labels, TaskSpec("classification", "audio", (), 3, names, sample_rate=100)


@pytest.mark.parametrize(("given", "targets", "spec"), [own[1:] for own in kinds()], ids=[own[0] for own in kinds()])
def test_every_kind_of_data_can_be_checked_and_copies_are_found(given, targets, spec):
    metrics = {"token_accuracy": TokenAccuracy()} if spec.kind == "sequence" else {"accuracy": Accuracy()}
    data = data_of(given, targets, spec)
    rows = {**data.rows, "test": np.sort(np.concatenate([data.rows["test"], data.rows["train"][:4]]))}
    again = data._replace(rows=rows, prepared={name: reader(given, own) for name, own in rows.items()})
    found = told(again, metrics)
    assert any(text.startswith("4 of 28 test rows are also in train, byte for byte") for text in found.problems)
    assert told(again, metrics).raw == found.raw


@pytest.mark.parametrize("change", ["constant", "infinite", "huge", "missing"])
def test_odd_numbers_do_not_stop_the_checks(change):
    values, targets, spec = table()
    if change == "constant":
        values[:] = 3
    else:
        values[::3, 1] = {"infinite": np.inf, "huge": 1e30, "missing": np.nan}[change]
    assert told(data_of(values, targets, spec)).raw["num_compared"] == 300


@pytest.mark.parametrize("num_rows", [3, 4, 7, 21])
@pytest.mark.parametrize("kind", ["classification", "regression"])
def test_very_few_rows_do_not_stop_the_checks(num_rows, kind):
    values, targets, spec = table(kind, num_rows, 2)
    metrics = {"accuracy": Accuracy()} if kind == "classification" else {"rmse": Rmse()}
    data = data_of(values, targets, spec, sizes=(0.4, 0.3))
    outcomes = {name: Outcome(np.eye(2)[targets[data.rows[name]]] if kind == "classification" else
                              targets[data.rows[name]], targets[data.rows[name]]) for name in ("val", "test")}
    assert told(data, metrics, Model(outcomes, 0.95)).raw["num_compared"] == num_rows


def test_problems_of_random_data_are_rare():
    count = 0
    for seed in range(20):
        values, targets, spec = table(seed=seed)
        count += len(told(data_of(values, targets, spec, seed=seed)).problems) > 0
    assert count <= 2
