"""How well each measure ranks the gap, in numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dlx.measure.comparison import holm
from dlx.measure.rank_gap import (
    SignErrors,
    coupled_groups,
    granulated,
    permuted_taus,
    sign_errors,
    stratified_tau,
    tau_b,
)
from dlx.report.sweep.measured import MIN_RUNS, Collected, errors_of, gaps_of
from dlx.report.sweep.points import Array, Sweep

SEED, ALPHA = 0, 0.05
# Fewer where there are many runs, of which each draw looks at every pair; enough for Holm over 40 measures.
NUM_DRAWS, FEW_DRAWS, MANY_RUNS = 1999, 999, 200
# With fewer configurations there are too few ways to deal them out.
MIN_BLOCKS = 5
# The settings that move norms and the gap at once.
DRIVERS = ("optimizer.lr", "batch_size")
CEILING, TRAIN = "the gap on val itself", "loss on train_eval"
# Larger is better for theory: wide margins and weights that bear noise promise a small gap.
INVERSE = ("margin_gamma", "log_normalized_gamma", "bearable_noise")


@dataclass(frozen=True)
class Ranked:
    """How one measure ranks a gap; what is undefined is None.

    Args:
        tau: Kendall's tau-b over n runs.
        noise: below which 95% of |tau| lie when gaps are dealt out anew.
        p: how often |tau| is as large then; adjusted: after Holm, over all measures.
        psi: by setting; granulated: their mean.
        at_equal: tau-a at equal learning rate and batch size, where these vary.
        errors: sign errors in the direction that theory expects; None without environments.
    """

    label: str
    n: int
    tau: float
    noise: float
    p: float
    adjusted: float | None
    psi: Mapping[str, float | None]
    granulated: float | None
    at_equal: float | None
    errors: SignErrors | None

    @property
    def is_told(self) -> bool:
        """Say whether it ranks the gap better than noise would, among so many."""
        return self.adjusted is not None and self.adjusted < ALPHA

    @property
    def agrees(self) -> bool | None:
        """Say whether psi has one sign, not 0, for all settings; None where fewer than two settings have a psi."""
        known = [value for value in self.psi.values() if value is not None]
        return None if len(known) < 2 else {float(np.sign(value)) for value in known} in ({1.0}, {-1.0})


def direction(label: str) -> float:
    """Return the sign that theory expects of a measure's relation with the gap."""
    return -1.0 if label.partition(",")[0] in INVERSE else 1.0


def num_draws(found: Collected) -> int:
    """Return how often gaps are dealt out."""
    return NUM_DRAWS if len(found.runs) <= MANY_RUNS else FEW_DRAWS


def rank(sweep: Sweep, found: Collected, metric: str) -> tuple[list[Ranked], list[Ranked]]:
    """Rank by the gap of a metric on test: measures, largest tau first, and what they are to be held against."""
    loss = [run.values.get("train_eval_loss") for run in found.runs]
    against = {CEILING: gaps_of(sweep, found.runs, metric, "val"),
               TRAIN: np.array([math.nan if value is None else value for value in loss])}
    labels = [*found.labels, *against]
    ranked = _all(sweep, found, labels, np.array([*found.values, *against.values()]), metric)
    measured = [item for item in ranked if item.label not in against]
    adjusted = holm([item.p for item in measured])
    told = [Ranked(**{**vars(item), "adjusted": own}) for item, own in zip(measured, adjusted, strict=True)]
    return (sorted(told, key=lambda item: (-item.tau, item.label)),
            [item for item in ranked if item.label in against])


def _all(sweep: Sweep, found: Collected, labels: Sequence[str], values: Array, metric: str) -> list[Ranked]:
    """Rank measures [M, N], those that the same runs have together, and leave out what has no tau."""
    gaps, errors = gaps_of(sweep, found.runs, metric), errors_of(sweep, found.runs, metric)
    known = np.isfinite(values) & np.isfinite(gaps)
    ranked: dict[int, Ranked] = {}
    for mask in {own.tobytes(): own for own in known}.values():
        runs = np.flatnonzero(mask)
        rows = [row for row in range(len(labels)) if np.array_equal(known[row], mask)
                and len(runs) >= MIN_RUNS and math.isfinite(tau_b(values[row][runs], gaps[runs]))]
        if rows:
            blocks = _blocks(found, runs)
            dealt = np.abs(permuted_taus(values[rows][:, runs], gaps[runs], blocks, num_draws(found), SEED))
            for row, own in zip(rows, dealt, strict=True):
                ranked[row] = _one(sweep, found, labels[row], runs, (values[row][runs], gaps[runs], errors[runs]), own)
    return [ranked[row] for row in sorted(ranked)]


def _blocks(found: Collected, runs: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return what is dealt out together: runs of a configuration, or each run alone where there are few of these."""
    points = np.array(found.points)[runs]
    return points if len(set(points.tolist())) >= MIN_BLOCKS else np.arange(len(runs))


def _one(sweep: Sweep, found: Collected, label: str, runs: NDArray[np.int64], values: tuple[Array, Array, Array],
         dealt: Array) -> Ranked:
    measure, gaps, errors = values
    keys = [axis.key for axis in sweep.axes]
    settings = [found.settings[run] for run in runs]
    groups = coupled_groups(settings, [found.repetitions[run] for run in runs])
    psi = granulated(measure, gaps, groups, len(keys))
    drivers = [index for index, key in enumerate(keys) if key in DRIVERS]
    strata = [tuple(levels[index] for index in drivers) for levels in settings]
    tau = tau_b(measure, gaps)
    wrong = sign_errors(direction(label) * measure, gaps, errors, groups, settings)
    # Equal up to the rounding of a square root.
    p = (1 + int((dealt >= abs(tau) - 1e-6).sum())) / (1 + dealt.size)
    return Ranked(
        label, len(runs), tau, float(np.quantile(dealt, 1 - ALPHA)), p, None,
        {key: _known(value) for key, value in zip(keys, psi, strict=True)},
        float(np.nanmean(psi)) if np.isfinite(psi).any() else None,
        _known(stratified_tau(measure, gaps, strata)) if drivers else None, wrong if wrong.num_environments else None)


def _known(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
