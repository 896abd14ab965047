"""Area under the ROC curve. Shape letters: N examples, C classes, R bootstrap draws."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import ClassVar, NamedTuple

import numpy as np

from dlx.core.intervals import PERCENTILE_DRAWS, Interval, percentile, undefined
from dlx.core.resamples import stratified_counts
from dlx.core.types import Kind, Outcome


class RocAuc:
    """The probability that a positive example scores above a negative one, ties counting half, in [0, 1].

    Two classes: class 1 is positive and its probability the score. More: the mean over classes of each against the
    rest. Where a class is absent from the split its curve does not exist and the metric is nan.
    """

    kind: ClassVar[Kind] = "classification"
    greater_is_better: ClassVar[bool] = True

    def value(self, outcome: Outcome) -> float:
        """Return the area of a whole split, or nan where a class is absent."""
        if _absent(outcome).size > 0:
            return math.nan
        return float(resampled_roc_auc(outcome, [np.ones((outcome.targets.size, 1), dtype=np.uint8)])[0])

    def interval(self, outcome: Outcome, level: float, seed: int) -> Interval:
        """Return the percentile interval of 2,000 bootstrap draws that keep the size of every class.

        The work grows with the examples that a wrong order involves, at most with N·C. Measured on one core, of scores
        that know nothing: 0.6 s at 10,000 examples and 10 classes, 5 s at 100 classes.
        """
        n, absent = outcome.targets.size, _absent(outcome)
        if absent.size > 0:
            return undefined(f"the split has no example of class {', '.join(map(str, absent))}", level, n)
        draws = resampled_roc_auc(outcome, stratified_counts(outcome.targets, PERCENTILE_DRAWS, seed))
        return percentile(draws, level, n, "percentile bootstrap, stratified by class")


class Disorder(NamedTuple):
    """The pairs of a positive and a negative example in which the negative one scores as high or higher.

    upper: negatives of such pairs, best first; lower: positives of such pairs [L]; above, reached: how many of upper
    score above, and at least as high as, each of lower [L]; num_pairs: all pairs of a positive and a negative.
    """

    upper: np.ndarray
    lower: np.ndarray
    above: np.ndarray
    reached: np.ndarray
    num_pairs: int


def resampled_roc_auc(outcome: Outcome, blocks: Iterable[np.ndarray]) -> np.ndarray:
    """Return the area [R] of each resample within classes.

    Args:
        outcome: with every class present.
        blocks: how often each example occurs [N, r], R draws in all; over the examples of a class they sum to its size.
    """
    num_classes = outcome.scores.shape[1]
    positives = range(1, 2) if num_classes == 2 else range(num_classes)
    disorders = [disorder(outcome.scores[:, label], outcome.targets == label) for label in positives]
    return np.concatenate([np.mean([_area(pairs, counts) for pairs in disorders], axis=0) for counts in blocks])


def disorder(scores: np.ndarray, positive: np.ndarray) -> Disorder:
    """Find the pairs that keep an area below 1: few, where the model is good."""
    num_positives = int(np.count_nonzero(positive))
    upper = np.flatnonzero(~positive & (scores >= scores[positive].min()))
    upper = upper[(-scores[upper]).argsort()]
    lower = np.flatnonzero(positive & (scores <= scores[upper].max(initial=-math.inf)))
    above, reached = ((-scores[upper]).searchsorted(-scores[lower], side) for side in ("left", "right"))
    return Disorder(upper, lower, above, reached, num_positives * (positive.size - num_positives))


def _area(pairs: Disorder, counts: np.ndarray) -> np.ndarray:
    """Return 1 − Σ w_i w_j (1[s_i < s_j] + 1[s_i = s_j]/2) / Σ w_i w_j over positives i and negatives j, [r]."""
    above = np.zeros((pairs.upper.size + 1, counts.shape[1]), dtype=np.int32)
    counts[pairs.upper].cumsum(axis=0, dtype=np.int32, out=above[1:])
    beaten_by = above[pairs.above] + above[pairs.reached]
    lost = np.einsum("ir,ir->r", beaten_by, counts[pairs.lower], dtype=np.int64) / 2
    return np.asarray(1 - lost / pairs.num_pairs)


def _absent(outcome: Outcome) -> np.ndarray:
    present = np.bincount(outcome.targets, minlength=outcome.scores.shape[1])
    return np.flatnonzero(present == 0)
