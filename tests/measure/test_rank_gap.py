"""Orders of the gap against brute-force loops and scipy."""

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from dlx.measure.rank_gap import (
    certainty,
    coupled_groups,
    granulated,
    permuted_taus,
    sign_errors,
    stratified_tau,
    tau_a,
    tau_b,
)


def made(seed=0, levels=(3, 2, 2), num_seeds=2):
    """A grid with ties: settings [N][K], repetitions, measure, gap, standard errors."""
    generator = np.random.default_rng(seed)
    cells = list(itertools.product(*(map(str, range(size)) for size in levels), map(str, range(num_seeds))))
    settings = [cell[:-1] for cell in cells]
    measure = generator.integers(0, 6, len(cells)).astype(float)
    return settings, [cell[-1] for cell in cells], measure, generator.normal(size=len(cells)).round(1), \
        generator.uniform(0.1, 0.5, len(cells))


def sign(value):
    return int(value > 0) - int(value < 0)


def coupled(settings, repetitions):
    """Every pair of models that differ in exactly one setting, with that setting."""
    for one, other in itertools.combinations(range(len(settings)), 2):
        differing = [place for place, pair in enumerate(zip(settings[one], settings[other], strict=True))
                     if pair[0] != pair[1]]
        if len(differing) == 1 and repetitions[one] == repetitions[other]:
            yield one, other, differing[0]


def test_tau_b_is_that_of_a_loop_over_pairs_with_ties():
    one, other = np.array([1.0, 2, 2, 3, 5]), np.array([2.0, 1, 1, 1, 7])
    pairs = list(itertools.combinations(range(5), 2))
    agreeing = sum(sign(one[i] - one[j]) * sign(other[i] - other[j]) for i, j in pairs)
    untied = [sum(values[i] != values[j] for i, j in pairs) for values in (one, other)]
    assert tau_b(one, other) == pytest.approx(agreeing / math.sqrt(untied[0] * untied[1]))
    assert math.isnan(tau_b(one, np.ones(5)))


def test_permuted_taus_are_those_of_scipy_and_keep_blocks_together():
    generator = np.random.default_rng(0)
    measures, gaps = generator.integers(0, 5, (3, 12)).astype(float), generator.integers(0, 4, 12).astype(float)
    blocks = np.repeat(np.arange(4), 3)
    drawn = permuted_taus(measures, gaps, blocks, 50, 0)
    possible = [np.concatenate([gaps.reshape(4, 3)[place] for place in order])
                for order in itertools.permutations(range(4))]
    for measure, own in zip(measures, drawn, strict=True):
        taus = [stats.kendalltau(measure, dealt).statistic for dealt in possible]
        assert all(min(abs(np.array(taus) - value)) < 1e-6 for value in own)
    # 24 ways, drawn 50 times.
    assert len({*drawn[0].round(6)}) > 5


def test_permuted_taus_change_blocks_of_equal_size_alone():
    gaps = np.array([0.0, 1, 2, 3, 9])
    drawn = permuted_taus(np.arange(5.0)[None], gaps, np.array([0, 0, 1, 1, 2]), 40, 1)
    assert {*drawn[0].round(6)} == {1.0, round(stats.kendalltau(np.arange(5), [2, 3, 0, 1, 9]).statistic, 6)}


def test_permuted_taus_in_batches_are_those_at_once(monkeypatch):
    generator = np.random.default_rng(3)
    arguments = generator.normal(size=(2, 9)), generator.normal(size=9), np.arange(9), 30, 5
    at_once = permuted_taus(*arguments)
    monkeypatch.setattr("dlx.measure.rank_gap.BATCH", 100)
    np.testing.assert_array_equal(permuted_taus(*arguments), at_once)


def test_granulated_is_the_loop_over_groups():
    settings, repetitions, measure, gaps, _ = made()
    found = granulated(measure, gaps, coupled_groups(settings, repetitions), 3)
    for setting in range(3):
        groups = {}
        for model, levels in enumerate(settings):
            rest = (*(level for place, level in enumerate(levels) if place != setting), repetitions[model])
            groups.setdefault(rest, []).append(model)
        taus = []
        for members in groups.values():
            total = [sign(measure[i] - measure[j]) * sign(gaps[i] - gaps[j])
                     for i in members for j in members if i != j]
            taus.append(sum(total) / len(total))
        assert found[setting] == pytest.approx(sum(taus) / len(taus))


def test_granulated_without_groups_is_nan_and_of_a_constant_measure_zero():
    groups = coupled_groups([("a", "x"), ("b", "x"), ("c", "y")], ["0"] * 3)
    found = granulated(np.ones(3), np.arange(3.0), groups, 2)
    assert found[0] == 0
    assert math.isnan(found[1])


def test_tau_a_without_ties_is_kendall():
    generator = np.random.default_rng(1)
    one, other = generator.normal(size=(2, 20))
    assert tau_a(one, other) == pytest.approx(stats.kendalltau(one, other).statistic)


def test_stratified_tau_is_the_loop_over_pairs_that_share_a_stratum():
    settings, _, measure, gaps, _ = made(2)
    strata = [levels[:2] for levels in settings]
    signs = [sign(measure[i] - measure[j]) * sign(gaps[i] - gaps[j])
             for i, j in itertools.combinations(range(len(gaps)), 2) if strata[i] == strata[j]]
    assert stratified_tau(measure, gaps, strata) == pytest.approx(sum(signs) / len(signs))
    assert math.isnan(stratified_tau(measure, gaps, range(len(gaps))))


def test_certainty_is_the_probability_that_the_sign_is_right_scaled():
    assert certainty(1.96, 1.0) == pytest.approx(0.95, abs=1e-4)
    assert certainty(-1.96, 1.0) == pytest.approx(0.95, abs=1e-4)
    assert certainty(0.0, 1.0) == 0.0
    assert certainty(0.1, math.nan) == certainty(0.1, 0.0) == 1.0


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_sign_errors_are_the_loop_over_coupled_pairs(seed):
    settings, repetitions, measure, gaps, errors = made(seed)
    sums = {}
    for one, other, setting in coupled(settings, repetitions):
        name = (setting, tuple(sorted((settings[one][setting], settings[other][setting]))))
        z = abs(gaps[one] - gaps[other]) / math.sqrt(errors[one] ** 2 + errors[other] ** 2)
        weight = 2 * stats.norm.cdf(z) - 1
        wrong = 0.5 * (1 - sign(measure[one] - measure[other]) * sign(gaps[one] - gaps[other]))
        sums.setdefault(name, []).append((weight, wrong))
    means = [sum(w * e for w, e in own) / sum(w for w, _ in own) for own in sums.values()
             if sum(w for w, _ in own) >= 1]
    found = sign_errors(measure, gaps, errors, coupled_groups(settings, repetitions), settings)
    assert found.num_environments == len(means) == 5
    assert found.mean == pytest.approx(np.mean(means))
    assert found.high == pytest.approx(np.quantile(means, 0.9))
    assert found.worst == pytest.approx(max(means))
    name = (found.setting, found.levels)
    assert sum(w * e for w, e in sums[name]) / sum(w for w, _ in sums[name]) == pytest.approx(found.worst)


def test_sign_errors_of_the_gap_itself_are_zero_and_of_its_reverse_one():
    settings, repetitions, _, gaps, errors = made(4)
    groups = coupled_groups(settings, repetitions)
    assert sign_errors(gaps, gaps, errors, groups, settings)[:3] == (0.0, 0.0, 0.0)
    assert sign_errors(-gaps, gaps, errors, groups, settings).mean == 1.0


def test_sign_errors_where_all_is_noise_are_nothing():
    settings, repetitions, measure, gaps, errors = made(5)
    found = sign_errors(measure, gaps, 1e6 * errors, coupled_groups(settings, repetitions), settings)
    assert found.num_environments == 0
    assert math.isnan(found.mean)


def test_a_random_measure_is_within_the_noise_in_nineteen_of_twenty_cases():
    generator = np.random.default_rng(7)
    blocks = np.repeat(np.arange(8), 2)
    inside = []
    for case in range(600):
        # Runs of a configuration are alike in both, and nothing else is.
        measure = generator.normal(size=8).repeat(2) + 0.2 * generator.normal(size=16)
        gaps = generator.normal(size=8).repeat(2) + 0.2 * generator.normal(size=16)
        dealt = np.abs(permuted_taus(measure[None], gaps, blocks, 299, case)[0])
        p = (1 + int((dealt >= abs(tau_b(measure, gaps)) - 1e-6).sum())) / 300
        inside.append(p > 0.05)
    assert 0.93 < np.mean(inside) < 0.975
