"""Macro-averaged F1. Shape letters: N examples, C classes, R bootstrap draws."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from dlx.core.intervals import PERCENTILE_DRAWS, Interval, percentile
from dlx.core.random import numpy_generator
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
        draws = macro_f1_draws(confusion_counts(outcome), PERCENTILE_DRAWS, numpy_generator(seed, "bootstrap"))
        return percentile(draws, level, outcome.targets.size, "percentile bootstrap, stratified by class")


def confusion_counts(outcome: Outcome) -> np.ndarray:
    """Count examples by class, [C, C]: row the target, column the prediction."""
    num_classes = outcome.scores.shape[1]
    cells = outcome.targets * num_classes + outcome.scores.argmax(axis=1)
    return np.bincount(cells, minlength=num_classes**2).reshape(num_classes, num_classes)


def macro_f1_draws(confusion: np.ndarray, num_draws: int, generator: np.random.Generator) -> np.ndarray:
    """Draw the macro F1 of resamples within classes.

    Resampling the examples of a class makes its row of the confusion matrix multinomial, so no example is touched.

    Args:
        confusion: counts [C, C], row the target, column the prediction.
        num_draws: R.
        generator: of the draws.

    Returns:
        Macro F1 [R], over the classes whose row is not empty.
    """
    supports = confusion.sum(axis=1)
    hits, named = np.zeros((2, num_draws, supports.size))
    for label in np.flatnonzero(supports):
        columns = np.flatnonzero(confusion[label])
        drawn = generator.multinomial(supports[label], confusion[label, columns] / supports[label], num_draws)
        named[:, columns] += drawn
        hits[:, label] = drawn[:, columns == label].sum(axis=1)
    present = supports > 0
    f1 = 2 * hits[:, present] / (named[:, present] + supports[present])
    return np.asarray(f1.mean(axis=1))
