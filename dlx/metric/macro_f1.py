"""Macro-averaged F1. Shape letters: N examples, C classes, R bootstrap draws."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

import numpy as np

from dlx.core.intervals import PERCENTILE_DRAWS, Interval, percentile
from dlx.core.resamples import stratified_counts
from dlx.core.types import Kind, Outcome


class MacroF1:
    """The mean over classes of F1 = 2 TP / (2 TP + FP + FN), in [0, 1].

    A class that no target of the split has is left out of the mean; predicting it costs the recall of the true class.
    """

    kind: ClassVar[Kind] = "classification"
    greater_is_better: ClassVar[bool] = True

    def value(self, outcome: Outcome) -> float:
        """Return the macro F1 of a whole split."""
        confusion = confusion_counts(outcome)
        supports, named = confusion.sum(axis=1), confusion.sum(axis=0)
        present = supports > 0
        return float(np.mean(2 * confusion.diagonal()[present] / (named + supports)[present]))

    def interval(self, outcome: Outcome, level: float, seed: int) -> Interval:
        """Return the percentile interval of 2,000 bootstrap draws that keep the size of every class."""
        draws = resampled_macro_f1(outcome, stratified_counts(outcome.targets, PERCENTILE_DRAWS, seed))
        return percentile(draws, level, outcome.targets.size, "percentile bootstrap, stratified by class")


def confusion_counts(outcome: Outcome) -> np.ndarray:
    """Count examples by class, [C, C]: row the target, column the prediction."""
    num_classes = outcome.scores.shape[1]
    cells = outcome.targets * num_classes + outcome.scores.argmax(axis=1)
    return np.bincount(cells, minlength=num_classes**2).reshape(num_classes, num_classes)


def resampled_macro_f1(outcome: Outcome, blocks: Iterable[np.ndarray]) -> np.ndarray:
    """Return the macro F1 [R] of each resample within classes, over the classes that the split has.

    Classes keep their sizes, so only the examples that the model gets wrong tell one resample from another.

    Args:
        blocks: how often each example occurs [N, r], R draws in all; over the examples of a class they sum to its size.
    """
    targets, predictions = outcome.targets, outcome.scores.argmax(axis=1)
    wrong = np.flatnonzero(predictions != targets)
    supports = np.bincount(targets, minlength=outcome.scores.shape[1])[:, None]
    present = supports[:, 0] > 0
    draws = []
    for counts in blocks:
        missed, claimed = (_summed(counts[wrong], labels[wrong], supports.size) for labels in (targets, predictions))
        hits = supports - missed
        draws.append((2 * hits[present] / (hits + claimed + supports)[present]).mean(axis=0))
    return np.concatenate(draws)


def _summed(counts: np.ndarray, labels: np.ndarray, num_classes: int) -> np.ndarray:
    """Sum counts [N, r] over the examples of each label, [C, r]."""
    sums = np.zeros((num_classes, counts.shape[1]), dtype=np.int64)
    if labels.size > 0:
        order = labels.argsort(kind="stable")
        own, starts = np.unique(labels[order], return_index=True)
        sums[own] = np.add.reduceat(counts[order], starts, axis=0, dtype=np.int64)
    return sums
