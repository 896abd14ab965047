import math
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.proportion import proportion_confint

from dlx.core import intervals
from dlx.core.random import numpy_generator

LEVEL = 0.95
PROPORTIONS = [(0, 1), (1, 1), (0, 45), (45, 45), (3, 12), (353, 360), (360, 360), (0, 360), (9_700, 10_000)]


@pytest.mark.parametrize(("successes", "n"), PROPORTIONS)
@pytest.mark.parametrize("level", [0.5, 0.9, 0.99])
@pytest.mark.parametrize(("interval", "twin"), [(intervals.wilson, "wilson"), (intervals.clopper_pearson, "beta")])
def test_proportion_intervals_equal_statsmodels(interval, twin, successes, n, level):
    found = interval(successes, n, level)
    assert found[:2] == pytest.approx(proportion_confint(successes, n, 1 - level, twin), abs=1e-12)
    assert found[3:] == (level, n, 0)


def test_wilson_of_353_of_360_is_96_0_to_99_1_percent():
    assert intervals.wilson(353, 360, LEVEL)[:2] == pytest.approx((0.960, 0.991), abs=5e-4)


@pytest.mark.parametrize(
    ("successes", "n", "method"),
    [
        (50, 100, "Wilson"),
        (1, 100, "Wilson"),
        (50, 99, "Clopper-Pearson"),
        (0, 1_000, "Clopper-Pearson"),
        (1_000, 1_000, "Clopper-Pearson"),
    ],
)
def test_proportion_is_exact_for_few_examples_and_at_the_ends(successes, n, method):
    assert intervals.proportion(successes, n, LEVEL).method == method


def coverage(interval, n, p):
    """Exact coverage: the binomial probability of the counts whose interval holds p."""
    found = [interval(successes, n, LEVEL) for successes in range(n + 1)]
    holds = [bounds.low <= p <= bounds.high for bounds in found]
    return stats.binom.pmf(np.arange(n + 1), n, p) @ holds


@pytest.mark.parametrize("n", [20, 200])
def test_clopper_pearson_covers_every_proportion(n):
    assert min(coverage(intervals.clopper_pearson, n, p) for p in np.linspace(0.005, 0.995, 23)) >= LEVEL


@pytest.mark.parametrize("interval", [intervals.wilson, intervals.proportion])
def test_wilson_covers_on_average_over_proportions(interval):
    assert np.mean([coverage(interval, 150, p) for p in np.linspace(0.005, 0.995, 41)]) >= 0.945


def coverage_of_normal_mean(interval, n, num_samples):
    """Coverage of 0 by intervals of the mean of N(0, 1) samples.

    The mean of a normal sample is N(0, 1/n) and independent of the residuals (Basu), so each set of residuals gives
    the exact probability that its interval, moved with the mean, holds 0; a few dozen sets are enough.
    """
    samples = np.random.default_rng(0).normal(size=(num_samples, n))
    bounds = [interval(sample - sample.mean()) for sample in samples]
    low, high = (math.sqrt(n) * np.array([getattr(b, side) for b in bounds]) for side in ("low", "high"))
    return np.mean(stats.norm.cdf(high) - stats.norm.cdf(low))


def test_mean_covers_normal_data():
    assert coverage_of_normal_mean(lambda sample: intervals.mean(sample, LEVEL, 0), 200, 60) >= 0.94


@pytest.mark.parametrize("n", [2, 5, 30])
def test_student_t_covers_normal_data(n):
    assert coverage_of_normal_mean(lambda sample: intervals.student_t(sample, LEVEL), n, 4_000) == pytest.approx(
        LEVEL, abs=0.006
    )


def test_student_t_equals_scipy():
    values = np.random.default_rng(1).normal(3.0, 2.0, size=7)
    twin = stats.t.interval(0.9, 6, values.mean(), stats.sem(values))
    found = intervals.student_t(values, 0.9)
    assert found[:2] == pytest.approx(twin, rel=1e-12)
    assert found[2:] == ("Student t", 0.9, 7, 0)


@pytest.mark.parametrize("n", [2, 3, 40, 400])
@pytest.mark.parametrize("level", [0.8, 0.99])
def test_mean_equals_scipy_bca_with_the_same_generator(n, level):
    values = np.random.default_rng(n).exponential(size=n)
    generator = numpy_generator(7, "bootstrap")
    twin = stats.bootstrap(
        (values,), np.mean, n_resamples=9_999, confidence_level=level, method="BCa", rng=generator
    ).confidence_interval
    found = intervals.mean(values, level, 7)
    assert found[:2] == pytest.approx((twin.low, twin.high), rel=1e-10)
    assert found[2:] == ("BCa bootstrap", level, n, 9_999)


def test_mean_of_many_values_equals_scipy_percentile_with_the_same_generator():
    values = np.random.default_rng(2).exponential(size=2_001)
    twin = stats.bootstrap(
        (values,), np.mean, n_resamples=2_000, method="percentile", rng=numpy_generator(3, "bootstrap")
    ).confidence_interval
    found = intervals.mean(values, LEVEL, 3)
    assert found[:2] == pytest.approx((twin.low, twin.high), rel=1e-10)
    assert found[2:] == ("percentile bootstrap", LEVEL, 2_001, 2_000)


def test_function_of_means_equals_scipy_paired_bca():
    columns = np.random.default_rng(4).exponential(size=(2, 30))
    twin = stats.bootstrap(
        tuple(columns),
        lambda a, b, axis=-1: a.mean(axis=axis) / b.mean(axis=axis),
        paired=True,
        vectorized=True,
        n_resamples=9_999,
        method="BCa",
        rng=numpy_generator(5, "bootstrap"),
    ).confidence_interval
    found = intervals.function_of_means(columns, lambda means: means[0] / means[1], LEVEL, 5)
    assert found[:2] == pytest.approx((twin.low, twin.high), rel=1e-10)


def test_mean_is_a_function_of_values_and_seed():
    values = np.random.default_rng(0).normal(size=50)
    assert intervals.mean(values, LEVEL, 0) == intervals.mean(values.tolist(), LEVEL, 0)
    assert intervals.mean(values, LEVEL, 0) != intervals.mean(values, LEVEL, 1)


@pytest.mark.parametrize("n", [2, 10, 3_000])
@pytest.mark.parametrize("constant", [0.0, 0.1, -1e30])
def test_mean_intervals_of_equal_values_are_zero_wide(n, constant):
    values = np.full(n, constant)
    for found in (intervals.mean(values, LEVEL, 0), intervals.student_t(values, LEVEL)):
        assert found[:2] == pytest.approx((constant, constant), rel=1e-12)
        assert found.high - found.low <= 1e-12 * abs(constant)


def test_mean_intervals_of_one_value_are_undefined():
    for found in (intervals.mean([3.0], LEVEL, 0), intervals.student_t([3.0], LEVEL)):
        assert math.isnan(found.low)
        assert math.isnan(found.high)
        assert found[2:] == ("undefined: one value", LEVEL, 1, 0)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    st.lists(st.floats(-1e100, 1e100), min_size=2, max_size=12),
    st.sampled_from([0.5, 0.95, 0.999, 1 - 1e-12]),
)
def test_mean_is_ordered_and_inside_the_range_of_the_values(values, level):
    found = intervals.mean(values, level, 0)
    slack = 1e-12 * max(map(abs, values))
    assert min(values) - slack <= found.low <= found.high <= max(values) + slack


def test_mean_of_one_outlier_at_an_extreme_level_reaches_the_largest_draws():
    values = np.zeros(2_000)
    values[0] = 1.0
    found = intervals.mean(values, 1 - 1e-14, 0)
    assert found.low == 0.0
    assert found.high >= 5 / 2_000


def test_mean_does_not_hold_all_resamples_in_memory():
    values = np.random.default_rng(0).normal(size=10_000)
    tracemalloc.start()
    intervals.mean(values, LEVEL, 0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20 * 2**20


def test_percentile_takes_quantiles_of_draws():
    found = intervals.percentile(np.arange(101.0), 0.9, 7, "percentile bootstrap")
    assert found[:2] == pytest.approx((5.0, 95.0))
    assert found[2:] == ("percentile bootstrap", 0.9, 7, 101)


@pytest.mark.parametrize("level", [0.0, 1.0, -0.5, math.nan])
@pytest.mark.parametrize(
    "interval",
    [
        lambda level: intervals.wilson(1, 2, level),
        lambda level: intervals.clopper_pearson(1, 2, level),
        lambda level: intervals.mean([1.0, 2.0], level, 0),
        lambda level: intervals.student_t([1.0, 2.0], level),
        lambda level: intervals.percentile(np.arange(3.0), level, 3, "percentile bootstrap"),
    ],
)
def test_intervals_refuse_levels_out_of_range(interval, level):
    with pytest.raises(ValueError, match=r"level must be in \(0, 1\), got"):
        interval(level)


@pytest.mark.parametrize(
    ("successes", "n", "message"),
    [
        (0, 0, r"n must be in \[1, inf\), got 0"),
        (3, 2, r"successes must be in \[0, 2\], got 3"),
        (-1, 2, r"successes must be in \[0, 2\], got -1"),
    ],
)
def test_proportion_refuses_impossible_counts(successes, n, message):
    with pytest.raises(ValueError, match=message):
        intervals.proportion(successes, n, LEVEL)


@pytest.mark.parametrize(
    ("values", "message"),
    [([], "values must not be empty"), ([1.0, math.nan, math.inf], "values must be finite, got 2 that are not")],
)
def test_mean_intervals_refuse_empty_and_non_finite_values(values, message):
    with pytest.raises(ValueError, match=message):
        intervals.mean(values, LEVEL, 0)
    with pytest.raises(ValueError, match=message):
        intervals.student_t(values, LEVEL)


@pytest.mark.parametrize("n", [1, 2, 60, 2_001])
def test_means_are_the_intervals_of_each_column_alone(n):
    columns = np.random.default_rng(0).exponential(size=(3, n))
    columns[1] = 0.5
    for own, column in zip(intervals.means(columns, 0.9, 3), columns, strict=True):
        alone = intervals.mean(column, 0.9, 3)
        assert own[2:] == alone[2:]
        assert own[:2] == pytest.approx(alone[:2], rel=1e-13, nan_ok=True)
