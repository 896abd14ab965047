"""Area under the ROC curve. Shape letters: N examples, C classes, R bootstrap draws."""

from __future__ import annotations

import math
from typing import ClassVar

import numpy as np

from dlx.core.intervals import PERCENTILE_DRAWS, Interval, percentile, stratified_counts, undefined
from dlx.core.random import numpy_generator
from dlx.core.types import Kind, Outcome

_BLOCK_ELEMENTS = 2**18


class RocAuc:
    """The probability that a positive example scores above a negative one, ties counting half, in [0, 1].

    Two classes: class 1 is positive and its probability the score. More: the mean over classes of each against the
    rest. Where a class is absent from the split its curve does not exist and the metric is nan.
    """

    kind: ClassVar[Kind] = "classification"
    greater_is_better: ClassVar[bool] = True

    def value(self, outcome: Outcome) -> float:
        """Return the area of a whole split, or nan where a class is absent."""
        from sklearn.metrics import roc_auc_score

        if _absent(outcome).size > 0:
            return math.nan
        scores = outcome.scores[:, 1] if outcome.scores.shape[1] == 2 else outcome.scores
        return float(roc_auc_score(outcome.targets, scores, multi_class="ovr"))

    def interval(self, outcome: Outcome, level: float, seed: int) -> Interval:
        """Return the percentile interval of 2,000 bootstrap draws that keep the size of every class.

        The work grows with N·C; measured on one core: 0.8 s at 10,000 examples and 10 classes, 5 s at 100 classes.
        """
        n, absent = outcome.targets.size, _absent(outcome)
        if absent.size > 0:
            return undefined(f"the split has no example of class {', '.join(map(str, absent))}", level, n)
        generator = numpy_generator(seed, "bootstrap")
        block = max(1, _BLOCK_ELEMENTS // n)
        sizes = (min(block, PERCENTILE_DRAWS - start) for start in range(0, PERCENTILE_DRAWS, block))
        draws = [weighted_roc_auc(outcome, stratified_counts(outcome.targets, size, generator)) for size in sizes]
        return percentile(np.concatenate(draws), level, n, "percentile bootstrap, stratified by class")


def weighted_roc_auc(outcome: Outcome, weights: np.ndarray) -> np.ndarray:
    """Return the area [R] of each weighting of the examples.

    Args:
        outcome: with every class present.
        weights: non-negative integers [N, R], such as the counts of resamples, positive in total for every class.
    """
    num_classes = outcome.scores.shape[1]
    positives = range(1, 2) if num_classes == 2 else range(num_classes)
    areas = [_area(outcome.scores[:, label], outcome.targets == label, weights) for label in positives]
    return np.asarray(np.mean(areas, axis=0))


def _area(scores: np.ndarray, positive: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return Σ w_i w_j (1[s_i > s_j] + 1[s_i = s_j]/2) / Σ w_i w_j over positives i and negatives j, [R]."""
    negatives = np.flatnonzero(~positive)
    negatives = negatives[scores[negatives].argsort()]
    below = np.zeros((negatives.size + 1, weights.shape[1]), dtype=np.int64)
    weights[negatives].cumsum(axis=0, out=below[1:])
    beaten = below[scores[negatives].searchsorted(scores[positive], "left")]
    reached = below[scores[negatives].searchsorted(scores[positive], "right")]
    wins = ((beaten + reached) * weights[positive]).sum(axis=0) / 2
    return np.asarray(wins / (weights[positive].sum(axis=0) * below[-1]))


def _absent(outcome: Outcome) -> np.ndarray:
    return np.setdiff1d(np.arange(outcome.scores.shape[1]), outcome.targets)
