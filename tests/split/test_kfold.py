"""Folds: a partition, class proportions, groups, and what the division depends on. N rows, J folds."""

import itertools

import numpy as np
import pytest
from part_files import make
from sklearn.model_selection import StratifiedKFold

from dlx.core.errors import ConfigError
from dlx.core.random import key
from dlx.core.types import Rows

CLASSES = np.random.default_rng(0).choice(5, size=503, p=[0.5, 0.25, 0.15, 0.07, 0.03])


def all_folds(rows, count=5, repeats=1, **changes):
    return [make("split", "kfold", folds=count, repeats=repeats, fold=fold, **changes)(rows)
            for fold in range(count * repeats)]


@pytest.mark.parametrize("kind", ["classification", "regression"])
@pytest.mark.parametrize("count", [2, 3, 5, 10])
def test_folds_test_every_row_once_in_sizes_that_differ_by_one(kind, count):
    tests = [ids.test for ids in all_folds(Rows(CLASSES, kind), count)]
    assert np.sort(np.concatenate(tests)).tolist() == list(range(503))
    assert {len(test) for test in tests} <= {503 // count, 503 // count + 1}


@pytest.mark.parametrize("repeats", [2, 3])
def test_repeats_are_partitions_of_their_own(repeats):
    tests = [ids.test.tolist() for ids in all_folds(Rows(CLASSES, "classification"), 5, repeats)]
    for repeat in range(repeats):
        whole = itertools.chain.from_iterable(tests[5 * repeat:5 * repeat + 5])
        assert sorted(whole) == list(range(503))
    assert len(set(map(tuple, tests))) == 5 * repeats


def test_folds_are_those_of_sklearn():
    twin = StratifiedKFold(5, shuffle=True, random_state=key(3, "split-folds", 0) % 2**32)
    ours = all_folds(Rows(CLASSES, "classification"), seed=3)
    for ids, (_, test) in zip(ours, twin.split(CLASSES, CLASSES), strict=True):
        assert ids.test.tolist() == test.tolist()


def test_folds_keep_class_counts_within_one_row():
    for ids in all_folds(Rows(CLASSES, "classification")):
        expected = np.bincount(CLASSES) / 5
        assert np.abs(np.bincount(CLASSES[ids.test], minlength=5) - expected).max() <= 1


@pytest.mark.parametrize("rare", [1, 4])
def test_a_class_with_fewer_rows_than_folds_is_in_as_many_folds_as_it_has_rows(rare):
    targets = np.array([0] * 60 + [1] * 40 + [2] * rare)
    holding = [int((targets[ids.test] == 2).sum()) for ids in all_folds(Rows(targets, "classification"))]
    assert sorted(holding) == [0] * (5 - rare) + [1] * rare


def test_targets_that_are_all_different_are_divided_all_the_same():
    tests = [ids.test for ids in all_folds(Rows(np.arange(23), "classification"))]
    assert np.sort(np.concatenate(tests)).tolist() == list(range(23))


@pytest.mark.parametrize("fraction", [0.1, 0.25, 0.5])
def test_val_is_its_fraction_of_the_rows_outside_of_the_fold(fraction):
    for ids in all_folds(Rows(CLASSES, "classification"), val_fraction=fraction):
        assert abs(len(ids.val) - fraction * (503 - len(ids.test))) <= 0.5


def test_the_dataset_s_own_test_set_is_kept_and_folds_are_val():
    own = np.arange(400, 503)
    folds = all_folds(Rows(CLASSES, "classification", own))
    assert all(ids.test.tolist() == own.tolist() for ids in folds)
    assert np.sort(np.concatenate([ids.val for ids in folds])).tolist() == list(range(400))


SPEAKERS = np.array([f"speaker {number}" for number in np.random.default_rng(1).integers(0, 12, 503)])


@pytest.mark.parametrize("column", [SPEAKERS, SPEAKERS.astype(object), np.unique(SPEAKERS, return_inverse=True)[1]],
                         ids=["text", "objects", "numbers"])
def test_groups_stay_together_in_folds_and_in_val(column):
    rows = Rows(CLASSES, "classification", None, {"speaker": column})
    folds = all_folds(rows, 4, group_column="speaker")
    for ids in folds:
        held = [set(SPEAKERS[part]) for part in ids]
        assert not held[0] & held[1] | held[0] & held[2] | held[1] & held[2]
        assert len(held[2]) == 3
    assert np.sort(np.concatenate([ids.test for ids in folds])).tolist() == list(range(503))


def test_a_fold_of_one_run_is_none_of_another_division_with_the_same_seed():
    rows = Rows(CLASSES, "classification")
    first, second = (make("split", "kfold", repeats=2, fold=fold)(rows) for fold in (0, 5))
    assert first.test.tolist() != second.test.tolist()


@pytest.mark.parametrize(("fold", "folds", "repeats"), [(5, 5, 1), (10, 5, 2), (99, 2, 3)])
def test_a_fold_that_does_not_exist_is_refused(fold, folds, repeats):
    with pytest.raises(ConfigError) as raised:
        make("split", "kfold", fold=fold, folds=folds, repeats=repeats)
    assert str(raised.value) == (f"split.fold must be in [0, split.folds · split.repeats = {folds * repeats}), "
                                 f"got {fold}")


def test_fewer_rows_or_groups_than_folds_are_refused_with_both_numbers():
    with pytest.raises(ConfigError, match="5 folds of 4 rows would leave folds empty; give fewer folds"):
        make("split", "kfold")(Rows(np.zeros(4, np.int64), "classification"))
    rows = Rows(np.zeros(40, np.int64), "classification", None, {"site": np.arange(40) % 3})
    with pytest.raises(ConfigError, match="5 folds of 3 groups would leave folds empty"):
        make("split", "kfold", group_column="site")(rows)


def test_two_groups_leave_none_for_val():
    rows = Rows(np.zeros(40, np.int64), "classification", None, {"site": np.arange(40) % 2})
    with pytest.raises(ConfigError, match=r"split\.val_fraction leaves a split empty: 20 rows are left, all of one"):
        make("split", "kfold", folds=2, group_column="site")(rows)
