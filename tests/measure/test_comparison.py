"""Tests of differences beside scipy, statsmodels, enumeration and simulation."""

import itertools
import math

import numpy as np
import pytest
import scipy.stats
from statsmodels.stats.contingency_tables import mcnemar as their_mcnemar
from statsmodels.stats.weightstats import ttost_paired

from dlx.measure.comparison import (
    equivalence,
    holm,
    interquartile_mean,
    mcnemar,
    paired_t,
    signed_ranks,
    stratified_iqm,
)

DIFFERENCES = np.random.default_rng(0).normal(0.3, 1, 9)


def answers(first, second, both=20, neither=5):
    one = np.repeat([True, False, True, False], [first, second, both, neither])
    other = np.repeat([False, True, True, False], [first, second, both, neither])
    return one, other


def test_holm_follows_its_steps():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []


@pytest.mark.parametrize(("first", "second"), [(3, 12), (12, 3), (7, 7), (0, 6), (1, 0)])
def test_mcnemar_is_the_exact_one_of_statsmodels(first, second):
    expected = their_mcnemar([[20, first], [second, 5]], exact=True).pvalue
    assert mcnemar(*answers(first, second)).p_value == pytest.approx(min(1, expected))


def test_mcnemar_of_equal_answers_sees_nothing():
    assert mcnemar(*answers(0, 0)).p_value == 1


def test_paired_t_is_scipys():
    expected = scipy.stats.ttest_1samp(DIFFERENCES, 0)
    assert paired_t(DIFFERENCES)[:2] == pytest.approx((expected.statistic, expected.pvalue))
    assert paired_t(np.zeros(4)).p_value == 1
    assert paired_t(np.full(4, 0.1)).p_value == 0
    assert math.isnan(paired_t(np.ones(1)).p_value)


def test_signed_ranks_is_exact_where_there_are_no_ties():
    ranks = scipy.stats.rankdata(np.abs(DIFFERENCES))
    seen = ranks[DIFFERENCES > 0].sum()
    total = ranks.sum()
    sums = [sum(rank for rank, sign in zip(ranks, signs, strict=True) if sign)
            for signs in itertools.product((False, True), repeat=len(ranks))]
    expected = np.mean([min(value, total - value) <= min(seen, total - seen) + 1e-9 for value in sums])
    assert signed_ranks(DIFFERENCES).p_value == pytest.approx(expected)


def test_signed_ranks_leaves_out_pairs_without_a_difference():
    assert signed_ranks(np.append(DIFFERENCES, [0, 0]))[:2] == signed_ranks(DIFFERENCES)[:2]
    assert signed_ranks(np.zeros(5)).p_value == 1


@pytest.mark.parametrize("margin", [0.1, 0.5, 2.0])
def test_equivalence_is_that_of_statsmodels(margin):
    expected, *_ = ttost_paired(DIFFERENCES, np.zeros(len(DIFFERENCES)), -margin, margin)
    assert equivalence(DIFFERENCES, margin).p_value == pytest.approx(expected)


def test_equivalence_is_claimed_wrongly_no_more_often_than_its_level():
    draw = np.random.default_rng(1)
    # At the margin itself the claim is wrong.
    wrong = np.mean([equivalence(draw.normal(0.5, 1, 40), 0.5).p_value < 0.05 for _ in range(2000)])
    assert wrong <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / 2000)
    assert np.mean([equivalence(draw.normal(0, 1, 40), 0.5).p_value < 0.05 for _ in range(500)]) > 0.8


@pytest.mark.parametrize("test", [paired_t, signed_ranks])
def test_tests_of_nothing_find_something_no_more_often_than_their_level(test):
    draw = np.random.default_rng(2)
    found = np.mean([test(draw.normal(size=8)).p_value < 0.05 for _ in range(3000)])
    assert found <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / 3000)


def test_interquartile_mean_is_the_mean_of_the_middle_half():
    values = np.array([9.0, 1, 2, 3, 4, 100, -50, 5])
    assert interquartile_mean(values) == pytest.approx(np.mean([2, 3, 4, 5]))
    assert interquartile_mean(values.reshape(2, 4)) == interquartile_mean(values)


def test_stratified_iqm_draws_seeds_within_each_configuration():
    values = np.arange(12.0).reshape(3, 4) ** 2
    draws = stratified_iqm(values, 4000, 0)
    assert stratified_iqm(values, 4000, 0).tolist() == draws.tolist()
    draw = np.random.default_rng(3)
    expected = [interquartile_mean(np.stack([draw.choice(row, 4) for row in values])) for _ in range(4000)]
    assert draws.mean() == pytest.approx(np.mean(expected), abs=4 * np.std(expected) / math.sqrt(2000))
    assert draws.std() == pytest.approx(np.std(expected), rel=0.08)
    # A configuration with one value in all its seeds stays what it is.
    assert set(stratified_iqm(np.array([[5.0, 5, 5, 5]]), 50, 0)) == {5.0}
