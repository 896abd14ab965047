"""Coefficient of determination. Shape letters: N examples, M resamples."""

from __future__ import annotations

import math
from typing import ClassVar

import numpy as np

from dlx.core.intervals import Interval, function_of_means, undefined
from dlx.core.types import Kind, Outcome

_SPREAD = 1e-12


class R2:
    """1 − Σ (target − prediction)² / Σ (target − mean target)², in (−inf, 1].

    Where all targets are equal it is 1 for exact predictions and 0 for others, as in scikit-learn; of one example, nan.
    """

    kind: ClassVar[Kind] = "regression"
    greater_is_better: ClassVar[bool] = True

    def value(self, outcome: Outcome) -> float:
        """Return the coefficient of determination of a whole split, or nan where it has one example."""
        targets = outcome.targets
        if targets.size < 2:
            return math.nan
        error, total = ((targets - other) ** 2 for other in (outcome.scores, targets.mean()))
        if np.ptp(targets) == 0:
            return float(not error.any())
        return float(1 - error.sum() / total.sum())

    def interval(self, outcome: Outcome, level: float, seed: int) -> Interval:
        """Return the bootstrap interval over examples, targets and predictions drawn together.

        Undefined where all targets are equal, for then there is no variance to explain.
        """
        targets, n = outcome.targets, outcome.targets.size
        if n > 1 and np.ptp(targets) == 0:
            return undefined("all targets are equal", level, n)
        centred = targets - targets.mean()
        return function_of_means(np.stack([(outcome.scores - targets) ** 2, centred, centred**2]), _r2, level, seed)


def _r2(means: np.ndarray) -> np.ndarray:
    """Map means [3, M] of squared error, target and squared target to R² [M].

    A resample of equal targets, whose variance is not above rounding, follows the rule of `R2`.
    """
    error, first, second = means
    variance = second - first**2
    varied = variance > _SPREAD * second
    return np.where(varied, 1 - error / np.where(varied, variance, 1), np.where(error == 0, 1.0, 0.0))
