"""Holdout: sizes, class proportions, and what the division depends on. N rows, C classes."""

import itertools

import numpy as np
import pytest
from sklearn.model_selection import train_test_split

from dlx.core.errors import ConfigError
from dlx.core.random import key
from dlx.core.types import Rows
from dlx.split.holdout import Holdout

FRACTIONS = [(0.2, 0.2), (0.1, 0.3), (0.25, 0.01), (1 / 3, 1 / 3), (0.45, 0.45)]


def classes(num_rows=500, seed=0):
    return np.random.default_rng(seed).choice(5, size=num_rows, p=[0.5, 0.25, 0.15, 0.07, 0.03])


@pytest.mark.parametrize(("val_fraction", "test_fraction"), FRACTIONS)
@pytest.mark.parametrize("kind", ["classification", "regression"])
@pytest.mark.parametrize("num_rows", [100, 101, 997])
def test_holdout_sizes_are_the_fractions_of_all_rows_to_rounding(val_fraction, test_fraction, kind, num_rows):
    ids = Holdout(val_fraction, test_fraction, 0)(Rows(classes(num_rows), kind))
    assert abs(len(ids.test) - test_fraction * num_rows) <= 0.5
    assert abs(len(ids.val) - val_fraction * num_rows) <= 1


@pytest.mark.parametrize(("val_fraction", "test_fraction"), FRACTIONS)
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_holdout_each_cut_keeps_class_counts_within_one_example(val_fraction, test_fraction, seed):
    targets = classes(num_rows=800)
    ids = Holdout(val_fraction, test_fraction, seed)(Rows(targets, "classification"))
    rest = np.concatenate([ids.train, ids.val])
    for part, whole in ((ids.test, np.arange(len(targets))), (ids.val, rest), (ids.train, rest)):
        expected = np.bincount(targets[whole]) * len(part) / len(whole)
        assert np.abs(np.bincount(targets[part], minlength=5) - expected).max() < 1


def test_holdout_with_own_test_set_cuts_val_from_the_rest_alone():
    test_ids = np.arange(400, 500)
    ids = Holdout(0.2, 0.2, 0)(Rows(classes(), "classification", test_ids))
    assert ids.test.tolist() == test_ids.tolist()
    assert (len(ids.train), len(ids.val)) == (320, 80)


def test_holdout_with_own_test_set_ignores_test_fraction():
    test_ids = np.arange(400, 500)
    one, other = (Holdout(0.2, fraction, 0)(Rows(classes(), "classification", test_ids)) for fraction in (0.1, 0.6))
    assert all(np.array_equal(*pair) for pair in zip(one, other, strict=True))


@pytest.mark.parametrize("num_rows", [5, 7, 10, 30])
def test_holdout_works_where_a_class_has_one_member(num_rows):
    targets = np.zeros(num_rows, dtype=np.int64)
    targets[-1] = 1
    for seed in range(20):
        ids = Holdout(0.2, 0.2, seed)(Rows(targets, "classification"))
        assert sorted(np.concatenate(ids).tolist()) == list(range(num_rows))


def test_holdout_works_with_more_classes_than_a_split_has_rows():
    ids = Holdout(0.2, 0.2, 0)(Rows(np.arange(40) % 20, "classification"))
    assert [len(part) for part in ids] == [24, 8, 8]


def test_holdout_equals_two_cuts_of_scikit_learn():
    targets = classes()
    rest, test = train_test_split(np.arange(500), test_size=100, random_state=key(3, "split-test") % 2**32,
                                  stratify=targets)
    train, val = train_test_split(rest, test_size=100, random_state=key(3, "split-val") % 2**32, stratify=targets[rest])
    ids = Holdout(0.2, 0.2, 3)(Rows(targets, "classification"))
    assert [part.tolist() for part in ids] == [sorted(part) for part in (train, val, test)]


def test_holdout_of_regression_depends_on_the_number_of_rows_and_the_seed_alone():
    one = Holdout(0.2, 0.2, 5)(Rows(np.zeros(90), "regression"))
    other = Holdout(0.2, 0.2, 5)(Rows(np.arange(90.0), "regression"))
    assert all(np.array_equal(*pair) for pair in zip(one, other, strict=True))


def test_holdout_divides_row_numbers_so_that_reordered_data_is_divided_otherwise():
    targets = classes()
    order = np.random.default_rng(1).permutation(500)
    ids, reordered = (Holdout(0.2, 0.2, 0)(Rows(values, "classification")) for values in (targets, targets[order]))
    assert set(order[reordered.test].tolist()) != set(ids.test.tolist())


def test_holdout_val_rows_of_seeds_overlap_as_random_sets_do():
    sets = [set(Holdout(0.2, 0.2, seed)(Rows(classes(), "classification")).val.tolist()) for seed in range(12)]
    overlaps = [len(one & other) / 100 for one, other in itertools.combinations(sets, 2)]
    assert np.mean(overlaps) == pytest.approx(0.2, abs=0.03)


@pytest.mark.parametrize(("val_fraction", "test_fraction"), [(0.5, 0.5), (0.7, 0.3), (0.9, 0.9), (0.6, 0.4)])
def test_holdout_fractions_that_leave_nothing_are_refused(val_fraction, test_fraction):
    with pytest.raises(ConfigError) as refused:
        Holdout(val_fraction, test_fraction, 0)
    assert str(refused.value) == (f"split.val_fraction + split.test_fraction must be below 1, got {val_fraction} + "
                                  f"{test_fraction} = {val_fraction + test_fraction:g}")


def test_holdout_empty_split_names_the_fraction_and_the_sizes():
    with pytest.raises(ConfigError) as refused:
        Holdout(0.2, 0.01, 0)(Rows(np.zeros(40, np.int64), "classification"))
    assert str(refused.value) == "split.test_fraction leaves a split empty: 0 of 40 rows for test"
