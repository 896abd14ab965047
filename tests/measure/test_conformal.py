"""Conformal thresholds and the coverage that they promise, against SciPy and simulation."""

import numpy as np
import pytest
from scipy import stats

from dlx.measure import conformal


@pytest.mark.parametrize(("n", "coverage", "rank"), [(9, 0.9, 9), (8, 0.9, 9), (99, 0.9, 90), (359, 0.9, 324),
                                                     (19, 0.95, 19), (100, 0.9, 91)])
def test_rank_is_rounded_up(n, coverage, rank):
    assert conformal.rank_of(n, coverage) == rank


def test_threshold_is_the_ranked_score_and_none_where_examples_are_too_few():
    scores = np.random.default_rng(0).permutation(19).astype(float)
    assert conformal.threshold(scores, 0.9) == 17.0
    assert conformal.threshold(np.arange(9.0), 0.9) == 8.0
    assert conformal.threshold(np.arange(8.0), 0.9) is None


@pytest.mark.parametrize("n", [50, 99, 400])
@pytest.mark.parametrize("coverage", [0.8, 0.9])
def test_threshold_equals_the_higher_quantile_of_numpy(n, coverage):
    scores = np.random.default_rng(0).random(n)
    level = np.ceil(round((n + 1) * coverage, 9)) / n
    assert conformal.threshold(scores, coverage) == np.quantile(scores, level, method="inverted_cdf")


@pytest.mark.parametrize(("n", "m"), [(20, 30), (36, 36), (360, 359), (5_000, 10_000)])
@pytest.mark.parametrize("coverage", [0.8, 0.9, 0.95])
def test_range_of_coverage_equals_the_quantiles_of_scipy(n, m, coverage):
    rank = conformal.rank_of(n, coverage)
    expected = stats.betabinom(m, rank, n + 1 - rank).ppf([0.025, 0.975]) / m
    assert conformal.coverage_range(n, m, coverage, 0.95) == pytest.approx(tuple(expected), abs=1e-12)


@pytest.mark.parametrize("decimals", [1, 12])
@pytest.mark.parametrize("n", [10, 57, 200])
def test_coverage_is_at_least_promised(n, decimals):
    """The mean over many sets of examples, of which ties cover more."""
    generator, covered, num_sets = np.random.default_rng(n), 0.0, 3_000
    for _ in range(num_sets):
        scores = generator.exponential(size=n + 50).round(decimals)
        covered += (scores[n:] <= conformal.threshold(scores[:n], 0.9)).mean() / num_sets
    spread = (0.1 * 0.9 / (n + 2) + 0.09 / 50) ** 0.5 / num_sets**0.5
    assert covered >= 0.9 - 3 * spread
    if decimals == 12:
        assert covered == pytest.approx(conformal.rank_of(n, 0.9) / (n + 1), abs=4 * spread)


def test_coverage_lies_in_its_range_as_often_as_said():
    generator, inside = np.random.default_rng(0), 0
    low, high = conformal.coverage_range(60, 80, 0.9, 0.95)
    for _ in range(2_000):
        scores = generator.random(140)
        inside += low <= (scores[60:] <= conformal.threshold(scores[:60], 0.9)).mean() <= high
    assert inside / 2_000 >= 0.94
