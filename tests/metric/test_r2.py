import math

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import r2_score

from dlx.core.random import numpy_generator
from dlx.core.types import Outcome
from dlx.metric.r2 import R2


def noisy_outcome(n, offset=0.0):
    targets, noise = np.random.default_rng(n).normal(size=(2, n))
    return Outcome(targets + 0.6 * noise + offset, targets + offset)


def r2_along(predictions, targets, axis=-1):
    error = ((predictions - targets) ** 2).sum(axis=axis)
    return 1 - error / ((targets - targets.mean(axis=axis, keepdims=True)) ** 2).sum(axis=axis)


@pytest.mark.parametrize(("n", "method", "num_draws"), [(50, "BCa", 9_999), (2_100, "percentile", 2_000)])
@pytest.mark.parametrize("offset", [0.0, 1e5])
def test_r2_interval_equals_scipy_paired_bootstrap_with_the_same_generator(n, method, num_draws, offset):
    outcome = noisy_outcome(n, offset)
    twin = stats.bootstrap(
        outcome,
        r2_along,
        paired=True,
        vectorized=True,
        n_resamples=num_draws,
        batch=100,
        method=method,
        rng=numpy_generator(8, "bootstrap"),
    ).confidence_interval
    found = R2().interval(outcome, 0.95, 8)
    assert found[:2] == pytest.approx((twin.low, twin.high), abs=1e-9)
    assert found[2:] == (f"{method} bootstrap", 0.95, n, num_draws)


def test_r2_of_the_mean_target_is_zero():
    targets = np.array([1.0, 2.0, 6.0])
    assert R2().value(Outcome(np.full(3, 3.0), targets)) == pytest.approx(0.0, abs=1e-15)


@pytest.mark.parametrize(("prediction", "value"), [(4.0, 1.0), (5.0, 0.0)])
def test_r2_of_equal_targets_follows_scikit_learn_and_has_no_interval(prediction, value):
    outcome = Outcome(np.full(6, prediction), np.full(6, 4.0))
    interval = R2().interval(outcome, 0.95, 0)
    assert R2().value(outcome) == value
    assert math.isnan(interval.low)
    assert interval[2:] == ("undefined: all targets are equal", 0.95, 6, 0)


@pytest.mark.parametrize("offset", [0.0, 1e6])
@pytest.mark.parametrize("n", [2, 57, 3_000])
def test_r2_equals_scikit_learn(n, offset):
    outcome = noisy_outcome(n, offset)
    assert R2().value(outcome) == pytest.approx(r2_score(outcome.targets, outcome.scores), rel=1e-12)


def test_r2_of_one_example_is_nan():
    outcome = Outcome(np.array([1.0]), np.array([2.0]))
    assert math.isnan(R2().value(outcome))
    assert R2().interval(outcome, 0.95, 0).method == "undefined: one value"


def test_r2_interval_of_few_examples_is_finite_though_resamples_may_lack_variance():
    interval = R2().interval(Outcome(np.array([0.0, 1.0, 1.0]), np.array([0.1, 0.3, 1.7])), 0.95, 0)
    assert math.isfinite(interval.low)
    assert interval.low <= interval.high <= 1
