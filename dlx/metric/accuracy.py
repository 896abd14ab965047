"""Accuracy. Shape letters: N examples, B batch, C classes."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np

from dlx.core.intervals import Interval, proportion
from dlx.core.types import Kind, Outcome

if TYPE_CHECKING:
    from torch import Tensor


class Accuracy:
    """The share of examples whose most probable class is the target, in [0, 1].

    Of classes equally probable the first is taken.
    """

    kind: ClassVar[Kind] = "classification"
    greater_is_better: ClassVar[bool] = True

    def value(self, outcome: Outcome) -> float:
        """Return the accuracy of a whole split."""
        return float(np.mean(outcome.scores.argmax(axis=1) == outcome.targets))

    def interval(self, outcome: Outcome, level: float, seed: int) -> Interval:
        """Return the interval of a proportion; nothing is drawn."""
        hits = outcome.scores.argmax(axis=1) == outcome.targets
        return proportion(int(np.count_nonzero(hits)), hits.size, level)

    def per_example(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Map logits [B, C] and targets [B] to 1 where right, else 0, [B]."""
        return (outputs.argmax(dim=1) == targets).to(outputs.dtype)

    def from_mean(self, mean: float) -> float:
        """Return the mean, which is the accuracy."""
        return mean
