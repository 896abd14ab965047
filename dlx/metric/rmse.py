"""Root mean squared error. Shape letters: N examples, B batch."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, ClassVar

from dlx.core import intervals
from dlx.core.intervals import Interval
from dlx.core.types import Kind, Outcome

if TYPE_CHECKING:
    from torch import Tensor


class Rmse:
    """√ mean (prediction − target)², in the units of the target."""

    kind: ClassVar[Kind] = "regression"
    greater_is_better: ClassVar[bool] = False

    def value(self, outcome: Outcome) -> float:
        """Return the root mean squared error of a whole split."""
        return math.sqrt(((outcome.scores - outcome.targets) ** 2).mean())

    def interval(self, outcome: Outcome, level: float, seed: int) -> Interval:
        """Return the roots of the bootstrap bounds of the mean squared error: both methods respect a monotone map."""
        squares = intervals.mean((outcome.scores - outcome.targets) ** 2, level, seed)
        return squares._replace(low=math.sqrt(squares.low), high=math.sqrt(squares.high))

    def per_example(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Map predictions [B] and targets [B] to squared errors [B]."""
        return (outputs - targets).square()

    def from_mean(self, mean: float) -> float:
        """Return the root of the mean squared error."""
        return math.sqrt(mean)
