"""Intervals of results whose train sets overlap. J results, N rows."""

import math

import numpy as np
import pytest
from scipy import stats

from dlx.core.intervals import corrected_t, student_t
from dlx.core.overlap import mean_interval, overlap

RESULTS = [0.91, 0.94, 0.90, 0.93, 0.92]


def test_interval_of_five_folds_is_that_worked_out_by_hand():
    # Mean 0.92, s² = (1 + 4 + 4 + 1 + 0)·1e-4 / 4 = 2.5e-4; 1/J + n_test/n_train = 1/5 + 1/4 = 0.45;
    # t of 4 degrees of freedom is 2.776445: 2.776445 · √(2.5e-4 · 0.45) = 0.0294487.
    found = corrected_t(RESULTS, 1 / 4, 0.95)
    assert found[:2] == pytest.approx((0.92 - 0.0294487, 0.92 + 0.0294487), abs=1e-6)
    assert found[2:] == ("Nadeau-Bengio", 0.95, 5, 0)


@pytest.mark.parametrize("level", [0.5, 0.9, 0.99])
@pytest.mark.parametrize("ratio", [0.01, 0.25, 1.0])
def test_interval_is_scipy_s_t_with_the_corrected_scale(level, ratio):
    values = np.random.default_rng(0).normal(size=15)
    scale = values.std(ddof=1) * math.sqrt(1 / 15 + ratio)
    assert corrected_t(values, ratio, level)[:2] == pytest.approx(
        stats.t.interval(level, 14, values.mean(), scale), rel=1e-12)


def test_interval_without_overlap_is_student_s():
    assert corrected_t(RESULTS, 1e-12, 0.95)[:2] == pytest.approx(student_t(RESULTS, 0.95)[:2], rel=1e-9)


def test_interval_of_one_result_is_undefined():
    assert corrected_t([0.5], 0.25, 0.95).method == "undefined: one value"


@pytest.mark.parametrize(("values", "ratio", "level"), [([], 0.2, 0.95), ([1.0, math.nan], 0.2, 0.95),
                                                        (RESULTS, 0.0, 0.95), (RESULTS, -1.0, 0.95),
                                                        (RESULTS, math.inf, 0.95), (RESULTS, math.nan, 0.95),
                                                        (RESULTS, 0.2, 1.0)])
def test_values_out_of_range_are_refused(values, ratio, level):
    with pytest.raises(ValueError, match="must"):
        corrected_t(values, ratio, level)


SIZES = {"train": 80, "val": 20, "test": 25}


def test_ratios_are_the_held_out_examples_to_one_of_train():
    shared = overlap(range(5), [SIZES] * 5)
    assert shared.ratios == {"val": 20 / 80, "test": 25 / 80}
    values = np.array(RESULTS)
    for split, ratio in (("val", 0.25), ("gap", 0.25), ("test", 0.3125)):
        mean, interval = mean_interval(values, split, 0.95, shared)
        assert mean == pytest.approx(0.92)
        assert interval == corrected_t(values, ratio, 0.95)


def test_seeds_on_one_fold_count_once():
    values = np.array([0.90, 0.92, 0.93, 0.95, 0.89, 0.91])
    shared = overlap(["a", "a", "b", "b", "c", "c"], [SIZES] * 6)
    mean, interval = mean_interval(values, "test", 0.95, shared)
    assert mean == pytest.approx(values.mean())
    assert interval == corrected_t([0.91, 0.94, 0.90], 0.3125, 0.95)


def test_folds_without_a_value_are_left_out():
    values = np.array([0.91, math.nan, 0.94])
    mean, interval = mean_interval(values, "val", 0.95, overlap("abc", [SIZES] * 3))
    assert (mean, interval) == (pytest.approx(0.925), corrected_t([0.91, 0.94], 0.25, 0.95))


def test_folds_of_unknown_size_have_no_interval():
    _, interval = mean_interval(np.array(RESULTS), "val", 0.95, overlap(range(5), [{}] * 5))
    assert interval.method == "undefined: unknown sizes"


def least_squares_error(inputs, targets, test):
    """Mean squared error on test rows of a linear model of the others."""
    train = ~test
    weights = np.linalg.lstsq(inputs[train], targets[train], rcond=None)[0]
    return float(((inputs[test] @ weights - targets[test]) ** 2).mean())


def repeated_cross_validation(inputs, targets, draw, folds=5, repeats=6):
    """Errors of every fold of several divisions."""
    found = []
    for _ in range(repeats):
        fold = draw.permutation(len(targets)) % folds
        found += [least_squares_error(inputs, targets, fold == number) for number in range(folds)]
    return found


def test_interval_covers_where_that_of_the_spread_alone_does_not():
    draw = np.random.default_rng(0)
    num_rows, num_features, num_sets = 60, 5, 300
    # Of least squares with N train rows of standard normal inputs and unit noise: 1 + D / (N − D − 1).
    truth = 1 + num_features / (0.8 * num_rows - num_features - 1)
    covered = {"corrected": 0, "naive": 0}
    for _ in range(num_sets):
        inputs = draw.normal(size=(num_rows, num_features))
        targets = inputs @ np.ones(num_features) + draw.normal(size=num_rows)
        errors = repeated_cross_validation(inputs, targets, draw)
        for name, interval in (("corrected", corrected_t(errors, 1 / 4, 0.95)), ("naive", student_t(errors, 0.95))):
            covered[name] += interval.low <= truth <= interval.high
    assert covered["corrected"] / num_sets > 0.90
    assert covered["naive"] / num_sets < 0.70
