"""Nested folds: inner folds divide what the outer fold leaves. N rows."""

import numpy as np
import pytest
from part_files import make

from dlx.core.errors import ConfigError
from dlx.core.types import Rows

TARGETS = np.arange(301) % 3
ROWS = Rows(TARGETS, "classification", None, {"site": np.arange(301) % 14})


def every(rows=ROWS, **changes):
    return [[make("split", "nested", outer=outer, inner=inner, **changes)(rows) for inner in range(3)]
            for outer in range(5)]


def test_outer_folds_test_every_row_once_and_inner_folds_validate_the_rest_once():
    for outer in every():
        assert len({tuple(ids.test) for ids in outer}) == 1
        vals = np.concatenate([ids.val for ids in outer])
        assert np.sort(np.concatenate([vals, outer[0].test])).tolist() == list(range(301))
    tests = np.concatenate([outer[0].test for outer in every()])
    assert np.sort(tests).tolist() == list(range(301))


def test_inner_folds_of_different_outer_folds_are_drawn_apart():
    first, second = (outer[0] for outer in every()[:2])
    both = np.intersect1d(np.concatenate([first.train, first.val]), np.concatenate([second.train, second.val]))
    assert np.isin(both, first.val).tolist() != np.isin(both, second.val).tolist()


def test_classes_keep_their_proportions_in_both():
    for outer in every():
        for ids in outer:
            for part in (ids.val, ids.test):
                counts = np.bincount(TARGETS[part])
                assert counts.max() - counts.min() <= 2


def test_groups_stay_together_in_both():
    for outer in every(group_column="site"):
        for ids in outer:
            held = [set(ROWS.notes["site"][part]) for part in ids]
            assert sum(map(len, held)) == len(set.union(*held)) == 14


def test_the_dataset_s_own_test_set_is_the_only_outer_fold():
    rows = ROWS._replace(test_ids=np.arange(250, 301))
    assert make("split", "nested")(rows).test.tolist() == list(range(250, 301))
    with pytest.raises(ConfigError, match=r"split\.outer=1: the dataset has a test set of its own"):
        make("split", "nested", outer=1)(rows)


@pytest.mark.parametrize(("name", "number", "count"), [("outer", 5, 5), ("inner", 3, 3)])
def test_a_fold_that_does_not_exist_is_refused(name, number, count):
    with pytest.raises(ConfigError) as raised:
        make("split", "nested", **{name: number})
    assert str(raised.value) == f"split.{name} must be in [0, split.{name}_folds = {count}), got {number}"
