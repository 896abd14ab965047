"""impute, clip, robust and drop_duplicates against scikit-learn, pandas and closed forms."""

import numpy as np
import pandas as pd
import pytest
from kinds_of_data import DATA
from part_files import make
from sklearn.impute import MissingIndicator, SimpleImputer
from sklearn.preprocessing import RobustScaler

from dlx.core.errors import ConfigError
from dlx.core.ragged import Ragged
from dlx.core.types import Column, TaskSpec

NAN = np.nan
MIXED, SPEC = DATA["mixed_table"].arrays.inputs, DATA["mixed_table"].task
TRAIN, OTHER = MIXED[:60], MIXED[60:]
NUMBERS, CODED = [0, 2], [1, 3]


def fitted(name, rows=TRAIN, spec=SPEC, **changes):
    part = make("preprocessing", name, **changes)
    return part, part.fit(rows, np.zeros(len(rows)), spec)


@pytest.mark.parametrize("numbers", ["mean", "median", "constant"])
def test_impute_of_numbers_equals_scikit_learn(numbers):
    part, statistics = fitted("impute", numbers=numbers, fill_value=-7.5)
    twin = SimpleImputer(strategy=numbers, fill_value=-7.5).fit(TRAIN[:, NUMBERS].astype(np.float64))
    for rows in (TRAIN, OTHER):
        expected = twin.transform(rows[:, NUMBERS].astype(np.float64)).astype(np.float32)
        np.testing.assert_array_equal(part.apply(rows, statistics)[:, NUMBERS], expected)


def test_impute_of_categories_by_the_most_frequent_equals_scikit_learn():
    part, statistics = fitted("impute", categories="most_frequent")
    twin = SimpleImputer(strategy="most_frequent").fit(TRAIN[:, CODED])
    for rows in (TRAIN, OTHER):
        np.testing.assert_array_equal(part.apply(rows, statistics)[:, CODED], twin.transform(rows[:, CODED]))
    assert part.spec_after(SPEC, None) == SPEC


def test_impute_gives_missing_categories_one_of_their_own():
    part, statistics = fitted("impute")
    after = part.spec_after(SPEC, None)
    assert after.columns[1].categories == ("missing", "red", "green", "blue")
    out = part.apply(OTHER, statistics)
    assert not np.isnan(out).any()
    for index in CODED:
        names = [after.columns[index].categories[int(code)] for code in out[:, index]]
        assert names == ["missing" if np.isnan(code) else SPEC.columns[index].categories[int(code)]
                         for code in OTHER[:, index]]
        assert "missing" in names


def test_impute_indicators_equal_scikit_learn_and_are_of_columns_that_lack_values_in_train_alone():
    rows = TRAIN.copy()
    rows[:, 0] = np.nan_to_num(rows[:, 0])
    part, statistics = fitted("impute", rows, indicators=True)
    twin = MissingIndicator(features="missing-only", error_on_new=False).fit(rows)
    np.testing.assert_array_equal(part.apply(OTHER, statistics)[:, 4:], twin.transform(OTHER))
    assert [column.name for column in part.spec_after(SPEC, statistics).columns[4:]] == [
        "colour missing", "income missing", "town missing"]
    assert part.spec_after(SPEC, statistics).input_shape == (7,)
    assert part.spec_after(SPEC, None) is None


@pytest.mark.parametrize(("column", "changes", "expected"), [
    (0, {}, "preprocessing=impute knows no median of column age, which has no value in train: leave it out of the "
            "data, or set preprocessing.impute.numbers=constant"),
    (3, {"categories": "most_frequent"},
     "preprocessing=impute knows no most frequent category of column town, which has no value in train: leave it out "
     "of the data, or set preprocessing.impute.categories=missing")])
def test_impute_names_a_column_without_values(column, changes, expected):
    rows = TRAIN.copy()
    rows[:, column] = NAN
    with pytest.raises(ConfigError) as error:
        fitted("impute", rows, **changes)
    assert str(error.value) == expected


def test_clip_to_quantiles_equals_numpy_and_leaves_categories_and_missing_values():
    part, statistics = fitted("clip", low=0.1, high=0.8)
    low, high = np.nanquantile(TRAIN.astype(np.float64), (0.1, 0.8), axis=0)
    out = part.apply(MIXED, statistics)
    np.testing.assert_allclose(out[:, NUMBERS], np.clip(MIXED, low, high)[:, NUMBERS], rtol=1e-6)
    np.testing.assert_array_equal(out[:, CODED], MIXED[:, CODED])
    assert 0.05 < (out[:, 0] != MIXED[:, 0]).mean() - np.isnan(MIXED[:, 0]).mean() < 0.5


def test_clip_by_interquartile_ranges_is_the_rule_of_a_box_plot():
    spec = TaskSpec("regression", "table", (2,), 1)
    rows = np.array([[0, 5], [1, 5], [2, 5], [3, 5], [4, 5], [100, 9], [-9, 6]], np.float32)
    part, statistics = fitted("clip", rows[:5], spec, method="iqr", k=1.5)
    assert [float(statistics[name][0]) for name in ("low", "high")] == [1 - 3, 3 + 3]
    assert part.apply(rows, statistics)[:, 0].tolist() == [0, 1, 2, 3, 4, 6, -2]


@pytest.mark.parametrize("method", ["quantile", "iqr"])
def test_clip_leaves_flags_and_columns_that_are_mostly_one_value(method):
    spec = TaskSpec("regression", "table", (2,), 1)
    rows = np.zeros((1000, 2), np.float32)
    rows[:3, 0] = 1
    rows[:100, 1] = np.arange(100)
    part, statistics = fitted("clip", rows, spec, method=method)
    assert part.apply(rows, statistics)[:, 0].tolist() == rows[:, 0].tolist()
    assert part.apply(rows, statistics)[:, 1].max() == (99 if method == "iqr" else pytest.approx(89.01))


def test_clip_refuses_bounds_that_cross():
    with pytest.raises(ConfigError, match=r"clip.low must be below preprocessing.clip.high, got 0.6 and 0.4"):
        make("preprocessing", "clip", low=0.6, high=0.4)


def test_robust_table_equals_scikit_learn_with_missing_values_left_where_they_are():
    spec = TaskSpec("regression", "table", (3,), 1)
    rows = np.concatenate([TRAIN[:, NUMBERS], np.full((60, 1), 3)], axis=1).astype(np.float32)
    part, statistics = fitted("robust", rows, spec)
    twin = RobustScaler().fit(rows.astype(np.float64))
    other = rows[::-1] * 2
    for given in (rows, other):
        np.testing.assert_allclose(part.apply(given, statistics), twin.transform(given.astype(np.float64)), rtol=1e-6,
                                   atol=1e-6)
    assert np.isnan(part.apply(rows, statistics)).sum() == np.isnan(rows).sum() > 0


def test_robust_hardly_moves_with_an_outlier():
    spec = TaskSpec("regression", "table", (1,), 1)
    rows = np.arange(101, dtype=np.float32)[:, None]
    wild = rows.copy()
    wild[-1] = 1e30
    one, other = (fitted("robust", given, spec)[1] for given in (rows, wild))
    assert (one["median"].tolist(), one["scale"].tolist()) == ([50], [50])
    assert {name: value.tobytes() for name, value in one.items()} == {
        name: value.tobytes() for name, value in other.items()}


def test_robust_image_has_one_median_per_channel():
    data = DATA["bytes_image"]
    part, statistics = fitted("robust", data.arrays.inputs, data.task)
    out = part.apply(data.arrays.inputs, statistics)
    low, median, high = np.quantile(out, (0.25, 0.5, 0.75), axis=(0, 2, 3))
    np.testing.assert_allclose(median, 0, atol=1e-6)
    np.testing.assert_allclose(high - low, 1, atol=1e-6)


def drop(inputs, targets, **changes):
    part = make("preprocessing", "drop_duplicates", **changes)
    return part.select(inputs, np.asarray(targets), TaskSpec("classification", "table", (2,), 2, ("a", "b"))).tolist()


@pytest.mark.parametrize("conflicting", ["keep", "drop"])
def test_drop_duplicates_equals_pandas(conflicting):
    draw = np.random.default_rng(0)
    inputs = draw.choice([0.0, 1.0, NAN], (300, 4)).astype(np.float32)
    targets = draw.integers(0, 2, 300)
    frame = pd.DataFrame(inputs).assign(target=targets)
    expected = frame.drop_duplicates()
    if conflicting == "drop":
        expected = expected.drop_duplicates([0, 1, 2, 3], keep=False)
    found = drop(inputs, targets, conflicting=conflicting)
    assert found == expected.index.tolist()
    assert 0 < len(found) < 300


def test_drop_duplicates_takes_zero_and_minus_zero_for_one_number_and_texts_as_they_are():
    assert drop(np.array([[0.0, 1], [-0.0, 1], [0, 2]], np.float32), [1, 1, 1]) == [0, 2]
    assert drop(Ragged.of_texts(["ab", "c", "ab", "abc", ""]), [0, 0, 0, 0, 0]) == [0, 1, 3, 4]
    assert drop(np.array([[3, 4], [3, 4]], np.uint8), [0, 1]) == [0, 1]


def test_drop_duplicates_refuses_to_leave_nothing():
    with pytest.raises(ConfigError, match="conflicting=drop leaves no train row"):
        drop(np.zeros((4, 2), np.float32), [0, 1, 0, 1], conflicting="drop")


def test_clean_table_of_unnamed_columns_keeps_them_unnamed():
    spec = TaskSpec("regression", "table", (2,), 1)
    rows = np.array([[1, NAN], [3, 4]], np.float32)
    part, statistics = fitted("impute", rows, spec, indicators=True)
    assert part.spec_after(spec, statistics) == TaskSpec("regression", "table", (3,), 1)
    assert part.apply(rows, statistics).tolist() == [[1, 4, 1], [3, 4, 0]]
    assert Column("1") not in part.spec_after(spec, statistics).columns
