"""Upper bounds of an error, and intervals of differences of independent samples."""

import math

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.proportion import confint_proportions_2indep

from dlx.core import intervals
from dlx.core.intervals import clopper_pearson_upper, difference, hoeffding_upper, newcombe

ERRORS = [(0, 1), (0, 45), (1, 45), (6, 359), (200, 359), (358, 359), (0, 10_000), (150, 10_000)]
# Newcombe 1998, table II, method 10, at 95%.
PUBLISHED = [((56, 70, 48, 80), (0.0524, 0.3339)), ((9, 10, 3, 10), (0.1705, 0.8090)),
             ((10, 10, 0, 20), (0.6791, 1.0000)), ((5, 56, 0, 29), (-0.0381, 0.1926)),
             ((0, 10, 0, 10), (-0.2775, 0.2775))]


@pytest.mark.parametrize(("errors", "n"), ERRORS)
@pytest.mark.parametrize("level", [0.5, 0.95, 1 - 0.05 / 64])
def test_clopper_pearson_upper_leaves_so_few_errors_the_rest_of_the_probability(errors, n, level):
    bound = clopper_pearson_upper(errors, n, level)
    assert stats.binom.cdf(errors, n, bound) == pytest.approx(1 - level, rel=1e-9)
    assert clopper_pearson_upper(errors, n, level) == pytest.approx(
        stats.binomtest(errors, n, alternative="less").proportion_ci(level, "exact").high, rel=1e-9)


def test_clopper_pearson_upper_of_no_error_has_a_closed_form():
    assert clopper_pearson_upper(0, 359, 0.95) == pytest.approx(1 - 0.05 ** (1 / 359), rel=1e-12)
    assert clopper_pearson_upper(359, 359, 0.95) == 1.0


def test_hoeffding_upper_has_a_closed_form():
    assert hoeffding_upper(0.02, 500, 0.95) == pytest.approx(0.02 + math.sqrt(math.log(20) / 1_000), rel=1e-12)
    # The union bound over 7 models.
    assert hoeffding_upper(0.02, 500, 1 - 0.05 / 7) == pytest.approx(0.02 + math.sqrt(math.log(140) / 1_000), rel=1e-12)
    assert hoeffding_upper(0.99, 5, 0.95) == 1.0


@pytest.mark.parametrize(("errors", "n"), ERRORS)
def test_clopper_pearson_upper_is_never_above_hoeffdings(errors, n):
    assert clopper_pearson_upper(errors, n, 0.95) <= hoeffding_upper(errors / n, n, 0.95)


@pytest.mark.parametrize("bound", [clopper_pearson_upper,
                                   lambda errors, n, level: hoeffding_upper(errors / n, n, level)])
@pytest.mark.parametrize("n", [20, 200])
def test_bounds_hold_with_their_probability_for_every_error(bound, n):
    bounds = np.array([bound(errors, n, 0.95) for errors in range(n + 1)])
    for error in np.linspace(0.005, 0.995, 40):
        assert stats.binom.pmf(np.arange(n + 1), n, error) @ (error <= bounds) >= 0.95


def test_bounds_of_many_models_hold_for_the_one_that_test_chose():
    draw, n, models = np.random.default_rng(0), 100, 16
    errors = draw.binomial(n, 0.1, (4_000, models)).min(axis=1)
    held = [np.mean([clopper_pearson_upper(int(count), n, 1 - 0.05 / looks) >= 0.1 for count in errors])
            for looks in (1, models)]
    assert held[0] < 0.75
    assert held[1] >= 0.95


@pytest.mark.parametrize(("call", "match"), [
    (lambda: clopper_pearson_upper(5, 4, 0.95), r"successes must be in \[0, 4\], got 5"),
    (lambda: clopper_pearson_upper(0, 0, 0.95), r"n must be in \[1, inf\), got 0"),
    (lambda: clopper_pearson_upper(0, 4, 1.0), r"level must be in \(0, 1\), got 1.0"),
    (lambda: hoeffding_upper(1.2, 4, 0.9), r"mean in \[0, 1\], got 4 and 1.2"),
])
def test_bounds_refuse_what_is_out_of_range(call, match):
    with pytest.raises(ValueError, match=match):
        call()


@pytest.mark.parametrize(("counts", "bounds"), PUBLISHED)
def test_newcombe_equals_the_published_examples(counts, bounds):
    found = newcombe(*counts, 0.95)
    assert found[:2] == pytest.approx(bounds, abs=6e-5)
    assert (found.method, found.n) == ("Newcombe", counts[1] + counts[3])


@pytest.mark.parametrize("counts", [(353, 360, 345, 359), (0, 40, 40, 40), (9_800, 10_000, 9_790, 10_000)])
@pytest.mark.parametrize("level", [0.8, 0.95])
def test_newcombe_equals_statsmodels(counts, level):
    twin = confint_proportions_2indep(*counts, method="newcomb", compare="diff", alpha=1 - level)
    assert newcombe(*counts, level)[:2] == pytest.approx(twin, abs=1e-12)


def test_newcombe_covers():
    n, other_n = 60, 80
    for p, q in ((0.95, 0.95), (0.98, 0.9), (0.5, 0.6)):
        weights = np.outer(stats.binom.pmf(np.arange(n + 1), n, p), stats.binom.pmf(np.arange(other_n + 1), other_n, q))
        places = np.argwhere(weights > 1e-6)
        held = [newcombe(int(a), n, int(b), other_n, 0.95) for a, b in places]
        covered = sum(weights[a, b] for (a, b), own in zip(places, held, strict=True) if own.low <= p - q <= own.high)
        assert covered >= 0.94, (p, q)


def test_difference_of_t_intervals_is_their_root_sum_of_squares():
    one, other = intervals.Interval(2.0, 6.0, "t", 0.9, 10, 0), intervals.Interval(1.0, 4.0, "t", 0.9, 20, 5)
    found = difference(3.0, one, 2.0, other)
    assert found[:2] == pytest.approx((1 - math.hypot(1, 2), 1 + math.hypot(3, 1)))
    assert found[2:] == ("MOVER, of t", 0.9, 30, 5)


def test_difference_of_what_is_undefined_says_why():
    known = intervals.mean([1.0, 2.0, 3.0], 0.95, 0)
    found = difference(1.0, intervals.undefined("one value", 0.95, 1), 2.0, known)
    assert math.isnan(found.low)
    assert (found.method, found.n) == ("undefined: one value", 4)


def test_difference_of_bootstrapped_means_is_that_of_two_independent_bootstraps():
    draw = np.random.default_rng(3)
    one, other = draw.exponential(1.0, 360), draw.exponential(1.3, 359)
    found = difference(one.mean(), intervals.mean(one, 0.95, 0), other.mean(), intervals.mean(other, 0.95, 0))
    twin = stats.bootstrap((one, other), lambda a, b, axis: a.mean(axis=axis) - b.mean(axis=axis), n_resamples=4_000,
                           method="BCa", rng=np.random.default_rng(0)).confidence_interval
    assert found[:2] == pytest.approx(twin, abs=0.02)


def test_difference_of_bootstrapped_means_covers_skewed_data():
    draw, covered = np.random.default_rng(1), 0
    for _ in range(400):
        one, other = draw.exponential(1.0, 200), draw.exponential(1.0, 150)
        own = difference(one.mean(), intervals.mean(one, 0.95, 0), other.mean(), intervals.mean(other, 0.95, 0))
        covered += own.low <= 0 <= own.high
    assert covered / 400 >= 0.93
