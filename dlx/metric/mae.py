"""Mean absolute error. Shape letters: N examples, B batch."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np

from dlx.core import intervals
from dlx.core.intervals import Interval
from dlx.core.types import Kind, Outcome

if TYPE_CHECKING:
    from torch import Tensor


class Mae:
    """The mean of |prediction − target|, in the units of the target."""

    kind: ClassVar[Kind] = "regression"
    greater_is_better: ClassVar[bool] = False

    def value(self, outcome: Outcome) -> float:
        """Return the mean absolute error of a whole split."""
        return float(np.abs(outcome.scores - outcome.targets).mean())

    def interval(self, outcome: Outcome, level: float, seed: int) -> Interval:
        """Return the bootstrap interval of the mean over examples."""
        return intervals.mean(np.abs(outcome.scores - outcome.targets), level, seed)

    def per_example(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Map predictions [B] and targets [B] to absolute errors [B]."""
        return (outputs - targets).abs()

    def from_mean(self, mean: float) -> float:
        """Return the mean, which is the mean absolute error."""
        return mean
