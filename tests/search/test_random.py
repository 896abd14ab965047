from __future__ import annotations

import math
from collections import Counter
from itertools import pairwise

import pytest
from axes_to_search import AXES, DEPTH, LISTS, LR, MODEL, RATE, STEPS, WIDTH
from scipy import stats

from dlx.core.search import Trial
from dlx.search.random import Random

NUM = 2000


def column(axis, count: int = NUM, seed: int = 5) -> list:
    return [point[0] for point in Random(count, seed, None, None).ask([axis], [], [])]


def test_random_interval_is_uniform():
    assert stats.kstest(column(RATE), stats.uniform(0, 0.5).cdf).pvalue > 0.01


def test_random_log_interval_is_uniform_in_the_logarithm():
    drawn = column(LR)
    assert stats.kstest(drawn, stats.loguniform(1e-4, 1).cdf).pvalue > 0.01
    assert all(1e-4 <= value <= 1 for value in drawn)


@pytest.mark.parametrize(("axis", "values"), [(WIDTH, range(4, 65)), (STEPS, range(8)), (MODEL, range(2)),
                                              (LISTS, range(3))])
def test_random_whole_numbers_and_choices_have_equal_chances(axis, values):
    counts = Counter(column(axis))
    assert {*counts} == {*values}
    assert stats.chisquare([counts[value] for value in values]).pvalue > 0.01
    assert all(type(value) is int for value in counts)


def test_random_log_whole_numbers_own_what_rounds_to_them():
    counts = Counter(column(DEPTH))
    width = math.log(100.5 / 0.5)
    bins = [1, 2, 4, 8, 16, 32, 64, 101]
    found = [sum(counts[value] for value in range(low, high)) for low, high in pairwise(bins)]
    expected = [NUM * math.log((high - 0.5) / (low - 0.5)) / width for low, high in pairwise(bins)]
    assert stats.chisquare(found, expected).pvalue > 0.01
    assert min(counts) == 1
    assert max(counts) <= 100


def test_random_draws_are_keyed_by_seed_trial_and_axis():
    points = Random(20, 1, None, None).ask(AXES, [], [])
    assert points == Random(20, 1, None, None).ask(AXES, [], [])
    assert points[:7] == Random(7, 1, None, None).ask(AXES, [], [])
    assert points != Random(20, 2, None, None).ask(AXES, [], [])
    # An axis less moves no other.
    assert [point[1:] for point in points] == Random(20, 1, None, None).ask(AXES[1:], [], [])


def test_random_asks_once():
    assert Random(3, 0, None, None).ask([LR], [Trial((0.1,), 0, None)], []) == []
