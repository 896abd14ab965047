"""Token accuracy of sequences. Shape letters: N sequences, B batch, L positions, C classes."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np

from dlx.core import intervals
from dlx.core.intervals import Interval
from dlx.core.types import IGNORED, Kind, Outcome

if TYPE_CHECKING:
    from torch import Tensor


class TokenAccuracy:
    """The mean over sequences of the share of positions whose most probable class is the target, in [0, 1].

    Of classes equally probable the first is taken. Positions of which nothing is asked do not count.
    """

    kind: ClassVar[Kind] = "sequence"
    greater_is_better: ClassVar[bool] = True

    def value(self, outcome: Outcome) -> float:
        """Return the token accuracy of a whole split."""
        return float(_shares(outcome).mean())

    def interval(self, outcome: Outcome, level: float, seed: int) -> Interval:
        """Return the bootstrap interval of the mean over sequences, which are drawn whole."""
        return intervals.mean(_shares(outcome), level, seed)

    def per_example(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Map logits [B, L, C] and targets [B, L] to the share of each sequence, [B]."""
        from dlx.core.likelihood import mean_over_positions

        return mean_over_positions((outputs.argmax(dim=2) == targets).to(outputs.dtype), targets)

    def from_mean(self, mean: float) -> float:
        """Return the mean, which is the token accuracy."""
        return mean


def _shares(outcome: Outcome) -> np.ndarray:
    """Return the share of right positions of each sequence, [N]."""
    asked = outcome.targets != IGNORED
    right = (outcome.scores[:, :, 0] == outcome.targets) & asked
    return np.asarray(right.sum(axis=1) / asked.sum(axis=1).clip(min=1))
