"""Shapes of curves that are known, and how often noise is taken for one."""

import math

import numpy as np
import pytest
from scipy import stats

from dlx.measure.curve_shape import shape


def noisy(curve, repetitions=3, noise=0.02, seed=0):
    draw = np.random.default_rng(seed)
    # Repetitions share what is hard about their data.
    shared = 1 + 0.3 * draw.uniform(size=repetitions)
    return np.array(curve)[:, None] * shared * np.exp(noise * draw.normal(size=(len(curve), repetitions)))


@pytest.mark.parametrize(("curve", "kind", "place", "before", "after"), [
    ([1.0, 0.6, 0.4, 0.3], "falls", 3, 0, 3), ([0.3, 0.4, 0.6, 1.0], "rises", 0, 0, 3),
    ([1.0, 0.5, 0.3, 0.5, 0.8], "dip", 2, 0, 4), ([1.0, 0.5, 0.9, 0.4, 0.3], "peak", 2, 1, 4),
    ([1.0, 0.5, 0.3, 0.31, 0.3], "falls", None, 0, 4)])
def test_shape_of_a_clear_curve(curve, kind, place, before, after):
    found = shape(noisy(curve), 0.95)
    assert (found.kind, found.before, found.after) == (kind, before, after)
    assert place is None or found.place == place


def test_double_descent_falls_before_its_peak():
    assert shape(noisy([1.0, 0.5, 0.9, 0.4, 0.3]), 0.95).is_double_descent
    rises_first = shape(noisy([0.5, 0.7, 0.9, 0.4, 0.3]), 0.95)
    assert rises_first.kind == "peak"
    assert not rises_first.is_double_descent


def test_shape_without_repetitions_is_unknown():
    found = shape(np.array([[1.0], [0.2], [0.5]]), 0.95)
    assert (found.kind, found.place) == ("unknown", 1)
    assert np.isnan(found.half_widths).all()


def test_half_widths_are_tukeys_where_no_pair_varies_more():
    errors = noisy([1.0, 0.6, 0.4, 0.3], repetitions=5)
    logs = np.log(errors)
    residuals = logs - logs.mean(axis=1, keepdims=True) - logs.mean(axis=0) + logs.mean()
    squares = (residuals**2).sum(axis=1)
    degrees = int(squares.sum() ** 2 / (squares**2).sum() * 3)
    assert 1 < degrees <= 12
    expected = stats.studentized_range.ppf(0.95, 4, degrees) * math.sqrt(squares.sum() / 12 / 5)
    found = shape(errors, 0.95)
    assert found.half_widths.min() == pytest.approx(expected)
    ratio, low, high = found.ratio(0, 3)
    assert ratio == pytest.approx(np.exp(logs[0].mean() - logs[3].mean()))
    assert (low, high) == pytest.approx((ratio / np.exp(found.half_widths[0, 3]), ratio * np.exp(
        found.half_widths[0, 3])))


def test_errors_of_zero_are_compared_by_differences():
    errors = np.array([[0.2, 0.21, 0.19], [0.1, 0.11, 0.1], [0.0, 0.01, 0.0]])
    found = shape(errors, 0.95)
    assert not found.is_log
    assert found.kind == "falls"
    assert found.ratio(0, 2)[0] == pytest.approx(np.mean(errors[0] - errors[2]))


@pytest.mark.parametrize("noises", [[0.05] * 7, [0.3, 0.3, 0.1, 0.1, 0.05, 0.05, 0.05]])
@pytest.mark.parametrize("repetitions", [3, 5])
def test_noise_alone_is_seldom_taken_for_a_shape(noises, repetitions):
    kinds = [shape(noisy([0.5] * 7, repetitions, np.array(noises)[:, None], seed), 0.95).kind for seed in range(150)]
    # At 5% 7.5 are expected; 14 are exceeded once in 100 times.
    assert sum(kind != "flat" for kind in kinds) <= 14


def test_spread_widens():
    errors = noisy([0.5, 0.4, 0.3])
    assert shape(errors, 0.95, 2.0).half_widths == pytest.approx(2 * shape(errors, 0.95).half_widths)
