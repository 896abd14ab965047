"""Single columns that tell the target, against scikit-learn."""

import numpy as np
import pytest
from scipy.stats import spearmanr
from sklearn.datasets import load_iris
from sklearn.metrics import roc_auc_score

from dlx.core.types import Column, TaskSpec
from dlx.hygiene.columns import columns_of


def spec(kind, *columns, num_outputs=2):
    return TaskSpec(kind, "table", (len(columns),), 1 if kind == "regression" else num_outputs,
                    columns=tuple(Column(own) if isinstance(own, str) else own for own in columns))


def test_best_column_of_two_classes_has_scikit_learns_area():
    draw = np.random.default_rng(0)
    labels = draw.integers(0, 2, 400)
    inputs = np.stack([draw.normal(size=400), np.round(draw.normal(size=400) - 2.5 * labels, 1)], axis=1)
    found = columns_of(inputs, labels, spec("classification", "noise", "signal"))
    assert found.best.column == "signal"
    assert found.best.value == pytest.approx(roc_auc_score(labels, -inputs[:, 1]))
    assert found.leaks == ()


def test_code_of_the_class_is_a_leak_with_many_classes():
    draw = np.random.default_rng(1)
    labels = draw.integers(0, 5, 300)
    inputs = np.stack([draw.normal(size=300), labels + 0.01 * draw.normal(size=300)], axis=1)
    found = columns_of(inputs, labels, spec("classification", "noise", "grade", num_outputs=5))
    assert [leak.column for leak in found.leaks] == ["grade"]


def test_petals_of_iris_tell_much_and_are_no_leak():
    data = load_iris()
    found = columns_of(data.data, data.target, spec("classification", *data.feature_names, num_outputs=3))
    assert found.leaks == ()
    worst = [min(roc_auc_score(data.target[data.target != left] == max({0, 1, 2} - {left}),
                               data.data[data.target != left, at]) for left in range(3)) for at in range(4)]
    assert found.best.value == pytest.approx(max(worst))


def test_regression_is_told_by_rank_correlation():
    draw = np.random.default_rng(2)
    values = draw.normal(size=500)
    inputs = np.stack([np.exp(values) + 1e-6 * draw.normal(size=500), values + draw.normal(size=500)], axis=1)
    found = columns_of(inputs, values, spec("regression", "price_with_tax", "area"))
    assert [leak.column for leak in found.leaks] == ["price_with_tax"]
    assert found.leaks[0].value == pytest.approx(abs(spearmanr(inputs[:, 0], values).statistic))


def test_category_that_decides_the_class_in_no_order_is_a_leak():
    draw = np.random.default_rng(3)
    codes = draw.integers(0, 6, 600)
    labels = np.array([0, 1, 0, 1, 1, 0])[codes]
    inputs = np.stack([codes, draw.integers(0, 6, 600)], axis=1).astype(float)
    table = spec("classification", Column("ward", tuple("abcdef")), Column("colour", tuple("abcdef")))
    assert [leak.column for leak in columns_of(inputs, labels, table).leaks] == ["ward"]


def test_category_of_its_own_in_every_row_is_no_leak():
    draw = np.random.default_rng(4)
    table = spec("classification", Column("name", tuple(map(str, range(300)))))
    assert columns_of(np.arange(300.0)[:, None], draw.integers(0, 2, 300), table).leaks == ()


def test_a_value_that_is_missing_for_one_class_is_a_leak():
    labels = np.arange(200) % 2
    inputs = np.where(labels == 1, np.nan, 1.0)[:, None]
    assert [leak.column for leak in columns_of(inputs, labels, spec("classification", "discharged")).leaks] == [
        "discharged"]


def test_constant_columns_and_row_numbers_are_named():
    draw = np.random.default_rng(5)
    inputs = np.stack([np.full(100, 3.0), draw.permutation(100), draw.normal(size=100)], axis=1)
    found = columns_of(inputs, draw.integers(0, 2, 100), spec("classification", "version", "id", "size"))
    assert (found.constant, found.identifiers) == (("version",), ("id",))


def test_noise_is_no_leak_however_many_columns():
    draw = np.random.default_rng(6)
    inputs = draw.normal(size=(500, 2000))
    names = [f"x{number}" for number in range(2000)]
    assert columns_of(inputs, draw.integers(0, 2, 500), spec("classification", *names)).leaks == ()


def test_one_class_tells_nothing():
    assert columns_of(np.arange(30.0)[:, None], np.zeros(30, int), spec("classification", "x")).leaks == ()
