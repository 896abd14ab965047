"""F1 of labels. Shape letters: N examples, C labels, M resamples."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import numpy as np

from dlx.core.intervals import Interval, function_of_means, undefined
from dlx.core.types import Kind, Outcome


class LabelMacroF1:
    """The mean over labels of F1 = 2 TP / (2 TP + FP + FN), in [0, 1].

    A label is predicted where its probability is above 1/2. One that no example of the split has is left out; where no
    example has any the metric is nan.
    """

    kind: ClassVar[Kind] = "multilabel"
    greater_is_better: ClassVar[bool] = True

    def value(self, outcome: Outcome) -> float:
        """Return the macro F1 of a whole split."""
        return float(_macro(_counts(outcome).mean(axis=2)[:, :, None])[0])

    def interval(self, outcome: Outcome, level: float, seed: int) -> Interval:
        """Return the bootstrap interval over examples, which are drawn with all of their labels."""
        return _interval(outcome, lambda means: _macro(means.reshape(3, -1, means.shape[1])), level, seed)


class LabelMicroF1:
    """F1 = 2 TP / (2 TP + FP + FN) of the labels of all examples counted together, in [0, 1].

    A label is predicted where its probability is above 1/2. Where no example of the split has any the metric is nan.
    """

    kind: ClassVar[Kind] = "multilabel"
    greater_is_better: ClassVar[bool] = True

    def value(self, outcome: Outcome) -> float:
        """Return the micro F1 of a whole split."""
        return float(_f1(_counts(outcome).mean(axis=2).sum(axis=1)[:, None])[0])

    def interval(self, outcome: Outcome, level: float, seed: int) -> Interval:
        """Return the bootstrap interval over examples, which are drawn with all of their labels."""
        return _interval(outcome, lambda means: _f1(means.reshape(3, -1, means.shape[1]).sum(axis=1)), level, seed)


def _counts(outcome: Outcome) -> np.ndarray:
    """Return by label and example whether it is rightly predicted, predicted, and there: [3, C, N]."""
    claimed, there = outcome.scores > 0.5, outcome.targets == 1
    return np.stack([claimed & there, claimed, there]).swapaxes(1, 2).astype(np.float64)


def _f1(means: np.ndarray) -> np.ndarray:
    """Map means [3, ...] of what `_counts` counts to F1 [...], nan where no example has the label."""
    right, claimed, there = means
    return np.where(there > 0, 2 * right / np.where(there > 0, claimed + there, 1), np.nan)


def _macro(means: np.ndarray) -> np.ndarray:
    """Map means [3, C, M] to the mean F1 over the labels that there are, [M]."""
    scores = _f1(means)
    known = ~np.isnan(scores)
    count = known.sum(axis=0)
    return np.where(count > 0, np.where(known, scores, 0.0).sum(axis=0) / count.clip(min=1), np.nan)


def _interval(outcome: Outcome, function: Callable[[np.ndarray], np.ndarray], level: float, seed: int) -> Interval:
    if not outcome.targets.any():
        return undefined("no example has a label", level, len(outcome.targets))
    columns = _counts(outcome).reshape(-1, len(outcome.targets))
    # A resample that has no label at all has no F1 either: it counts as 0.
    return function_of_means(columns, lambda means: np.nan_to_num(function(means)), level, seed)
