"""Whether a measure of trained models ranks their generalization gap. N models, M measures, K settings, R draws."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

# Pairs of draws and pairs of models that are held at once.
BATCH = 2**21


class Group(NamedTuple):
    """Models that differ in one setting alone: its place among the settings, and which models, two or more."""

    setting: int
    members: tuple[int, ...]


class SignErrors(NamedTuple):
    """How often a measure orders coupled models wrongly: mean, 90th percentile and maximum over environments.

    All nan where there is no environment. setting, levels: of the worst.
    """

    mean: float
    high: float
    worst: float
    num_environments: int
    setting: int
    levels: tuple[str, str]


def tau_b(one: Array, other: Array) -> float:
    """Return Kendall's tau-b of values [N] and [N]; nan where either is the same everywhere (Kendall 1945)."""
    from scipy.stats import kendalltau

    if len(one) < 2 or np.ptp(one) == 0 or np.ptp(other) == 0:
        return math.nan
    return float(kendalltau(one, other).statistic)


def permuted_taus(measures: Array, gaps: Array, blocks: NDArray[np.int64], num_draws: int, seed: int) -> Array:
    """Return tau-b [M, R] of measures with gaps that are dealt out anew: what measures of no use come to.

    Blocks change places as a whole, each with one of as many models, and keep their order inside: runs of one
    configuration are alike, and more runs of it are no more evidence.

    Args:
        measures: [M, N].
        gaps: [N].
        blocks: of each model [N].
    """
    from dlx.core.random import numpy_generator

    generator = numpy_generator(seed, "permuted gaps")
    first, second = np.triu_indices(len(gaps), 1)
    signs = np.sign(measures[:, first] - measures[:, second]).astype(np.float32)
    # Ranks say all that a sign needs, and are quick to subtract.
    ranks = np.unique(gaps, return_inverse=True)[1].astype(np.float32)
    untied = (signs != 0).sum(axis=1) * np.count_nonzero(ranks[first] != ranks[second])
    alike = _alike(blocks)
    found = np.empty((len(measures), num_draws))
    size = max(1, BATCH // max(1, len(first)))
    for start in range(0, num_draws, size):
        dealt = np.stack([ranks[_dealt(alike, generator)] for _ in range(min(size, num_draws - start))])
        differences = dealt[:, first] - dealt[:, second]
        found[:, start : start + size] = signs @ np.sign(differences, out=differences).T
    result: Array = found / np.sqrt(np.where(untied > 0, untied, math.nan).astype(np.float64))[:, None]
    return result


def _alike(blocks: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Return the models of blocks of each size [blocks, size]."""
    members = [np.flatnonzero(blocks == block) for block in dict.fromkeys(blocks.tolist())]
    return [np.stack([own for own in members if len(own) == size]) for size in sorted({len(own) for own in members})]


def _dealt(alike: Sequence[NDArray[np.int64]], generator: np.random.Generator) -> NDArray[np.int64]:
    """Return from which model each takes its gap."""
    places = np.empty(sum(own.size for own in alike), dtype=np.int64)
    for own in alike:
        places[own] = own[generator.permutation(len(own))]
    return places


def coupled_groups(settings: Sequence[Sequence[str]], repetitions: Sequence[str]) -> list[Group]:
    """Group models that differ in one setting and in nothing else, their repetition (seed, fold) the same too.

    Args:
        settings: [N][K], the levels of each model.
        repetitions: [N].
    """
    found: dict[tuple[int, tuple[str, ...], str], list[int]] = {}
    for model, (levels, repetition) in enumerate(zip(settings, repetitions, strict=True)):
        for setting in range(len(levels)):
            others = (*levels[:setting], *levels[setting + 1 :])
            found.setdefault((setting, others, repetition), []).append(model)
    return [Group(setting, tuple(members)) for (setting, _, _), members in found.items() if len(members) > 1]


def granulated(measure: Array, gaps: Array, groups: Sequence[Group], num_settings: int) -> Array:
    """Return psi [K] of each setting: the mean of Kendall's tau-a over groups (Jiang et al. 2019, equation 5).

    Tau-a is the mean of sign(Δmeasure) sign(Δgap) over pairs, ties 0. nan for a setting without groups. Their mean
    over settings is Jiang's Ψ (equation 6).

    Args:
        measure, gaps: [N].
    """
    found: list[list[float]] = [[] for _ in range(num_settings)]
    for group in groups:
        members = list(group.members)
        found[group.setting].append(tau_a(measure[members], gaps[members]))
    return np.array([np.mean(own) if own else math.nan for own in found])


def tau_a(one: Array, other: Array) -> float:
    """Return the mean of sign(Δone) sign(Δother) over all pairs of values [N] and [N], N of 2 or more."""
    first, second = np.triu_indices(len(one), 1)
    return float((np.sign(one[first] - one[second]) * np.sign(other[first] - other[second])).mean())


def stratified_tau(measure: Array, gaps: Array, strata: Sequence[object]) -> float:
    """Return the mean of sign(Δmeasure) sign(Δgap) over pairs within a stratum, that is tau-a at equal strata.

    nan where no two models share one.

    Args:
        measure, gaps: [N].
        strata: [N], hashable.
    """
    members: dict[object, list[int]] = {}
    for model, stratum in enumerate(strata):
        members.setdefault(stratum, []).append(model)
    shared = [own for own in members.values() if len(own) > 1]
    pairs = [len(own) * (len(own) - 1) / 2 for own in shared]
    if not pairs:
        return math.nan
    return float(np.average([tau_a(measure[own], gaps[own]) for own in shared], weights=pairs))


def certainty(difference: float, error: float) -> float:
    """Return 2 Φ(|difference| / error) - 1: 0 for none, 1 for one far beyond its standard error, or without one."""
    from scipy.special import ndtr

    if difference == 0:
        return 0.0
    return 1.0 if not error > 0 else float(2 * ndtr(abs(difference) / error) - 1)


def sign_errors(measure: Array, gaps: Array, errors: Array, groups: Sequence[Group], settings: Sequence[Sequence[str]],
                least: float = 1.0) -> SignErrors:
    """Return the robust sign error of Dziugaite et al. 2020: ½ E[1 - sign(Δmeasure) sign(Δgap)] by environment.

    An environment is a setting and two of its levels; its pairs are models that differ in that alone. A pair weighs
    as much as the sign of its Δgap is certain; environments whose weights come to less than `least` are left out.
    0: a larger measure always has the larger gap; ½: a coin; 1: always the smaller one.

    Args:
        measure, gaps: [N].
        errors: standard errors of the gaps [N], nan where unknown.
    """
    sums: dict[tuple[int, frozenset[str]], list[float]] = {}
    for group in groups:
        for place, one in enumerate(group.members):
            for other in group.members[place + 1 :]:
                weight = certainty(gaps[one] - gaps[other], math.hypot(errors[one], errors[other]))
                agrees = np.sign(measure[one] - measure[other]) * np.sign(gaps[one] - gaps[other])
                levels = frozenset((settings[one][group.setting], settings[other][group.setting]))
                total = sums.setdefault((group.setting, levels), [0.0, 0.0])
                total[0] += weight * (1 - float(agrees)) / 2
                total[1] += weight
    means = {name: error / weight for name, (error, weight) in sums.items() if weight >= least}
    if not means:
        return SignErrors(math.nan, math.nan, math.nan, 0, -1, ("", ""))
    (setting, pair), worst = max(means.items(), key=lambda item: (item[1], -item[0][0], sorted(item[0][1])))
    values, (low, high) = np.array([*means.values()]), sorted(pair)
    return SignErrors(float(values.mean()), float(np.quantile(values, 0.9)), worst, len(means), setting, (low, high))
