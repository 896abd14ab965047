"""Exact duplicates and conflicting labels, against dictionaries and pandas."""

import numpy as np
import pandas as pd
import pytest

from dlx.core.ragged import Ragged
from dlx.hygiene.duplicates import conflicts, duplicates, equal_groups, twins_in


def same_partition(groups, keys):
    """Say whether two numberings of rows put the same rows together."""
    return len(set(zip(groups.tolist(), keys, strict=True))) == len(set(groups.tolist())) == len(set(keys))


@pytest.mark.parametrize("dtype", [np.uint8, np.int64, np.float32, np.float64])
def test_equal_rows_and_no_others_share_a_number(dtype):
    inputs = np.random.default_rng(0).integers(0, 3, (500, 2, 2)).astype(dtype)
    groups = equal_groups(inputs, np.arange(500))
    assert same_partition(groups, [tuple(row.ravel().tolist()) for row in inputs])


def test_nan_equals_nan_and_zero_equals_minus_zero():
    other = np.array([np.nan]).view(np.uint64) ^ 1
    inputs = np.array([[np.nan, 0.0], [other.view(np.float64)[0], -0.0], [np.nan, 1.0]])
    assert equal_groups(inputs, np.arange(3)).tolist() == [0, 0, 1]


def test_rows_of_any_length_are_compared_whole():
    texts = Ragged.of_texts(["a", "ab", "", "a", "b", ""])
    assert equal_groups(texts, np.arange(6)).tolist() == [0, 1, 2, 0, 3, 2]


def test_only_the_rows_asked_for_are_numbered():
    inputs = np.array([[1], [2], [1], [2]])
    assert equal_groups(inputs, np.array([1, 3, 0])).tolist() == [0, 0, 1]


def test_copies_in_another_split_are_counted_with_their_twins():
    groups = np.array([0, 1, 2, 0, 1, 3, 3, 0])
    rows = {"train": np.array([0, 1, 2]), "val": np.array([3, 5]), "test": np.array([4, 6, 7])}
    found = duplicates(groups, rows)
    assert {name: (count.found, count.of, count.rows) for name, count in found.across.items()} == {
        "val in train": (1, 2, (3,)), "test in train": (2, 3, (4, 7)), "test in val": (2, 3, (6, 7))}
    assert found.pairs["test in train"] == ((4, 1), (7, 0))
    assert [count.found for count in found.within.values()] == [0, 0, 0]


def test_copies_within_a_split_are_those_after_the_first():
    found = duplicates(np.array([5, 5, 4, 5]), {"train": np.arange(4)})
    assert (found.within["train"].found, found.within["train"].rows) == (2, (1, 3))


def test_twin_is_the_first_equal_row_or_none():
    assert twins_in(np.array([0, 1, 0, 0, 2]), np.array([3, 4]), np.array([2, 0, 1])).tolist() == [2, -1]


@pytest.mark.parametrize("kind", ["classification", "regression"])
def test_conflicts_are_what_pandas_groups_with_several_targets(kind):
    draw = np.random.default_rng(1)
    groups = np.unique(draw.integers(0, 150, 300), return_inverse=True)[1]
    targets = draw.integers(0, 3, 300)
    found = conflicts(groups, targets if kind == "classification" else targets * 0.5)
    table = pd.DataFrame({"group": groups, "target": targets})
    differs = table.groupby("group").target.transform("nunique") > 1
    assert found.rows.found == differs.sum()
    assert found.groups == (table.groupby("group").target.nunique() > 1).sum()
    best = table.groupby("group").target.agg(lambda own: own.value_counts().iloc[0]).sum() / 300
    assert found.most_right == pytest.approx(best)


def test_rows_with_one_target_do_not_conflict():
    assert conflicts(np.array([0, 0, 1]), np.array([2, 2, 0])).rows.found == 0


def test_no_rows_have_no_conflicts():
    assert conflicts(np.array([], np.int64), np.array([], np.int64)) is None
