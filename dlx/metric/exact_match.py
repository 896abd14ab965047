"""Sequences that are right throughout. Shape letters: N sequences, B batch, L positions, C classes."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np

from dlx.core.intervals import Interval, proportion
from dlx.core.types import IGNORED, Kind, Outcome

if TYPE_CHECKING:
    from torch import Tensor


class ExactMatch:
    """The share of sequences whose most probable class is the target at every position that is asked, in [0, 1].

    Of classes equally probable the first is taken.
    """

    kind: ClassVar[Kind] = "sequence"
    greater_is_better: ClassVar[bool] = True

    def value(self, outcome: Outcome) -> float:
        """Return the share of a whole split."""
        return float(_matches(outcome).mean())

    def interval(self, outcome: Outcome, level: float, seed: int) -> Interval:
        """Return the interval of a proportion of sequences; nothing is drawn."""
        matches = _matches(outcome)
        return proportion(int(np.count_nonzero(matches)), matches.size, level)

    def per_example(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Map logits [B, L, C] and targets [B, L] to 1 where all is right, else 0, [B]."""
        return ((outputs.argmax(dim=2) == targets) | (targets == IGNORED)).all(dim=1).to(outputs.dtype)

    def from_mean(self, mean: float) -> float:
        """Return the mean, which is the share."""
        return mean


def _matches(outcome: Outcome) -> np.ndarray:
    """Return whether each sequence is right throughout, [N]."""
    right = (outcome.scores[:, :, 0] == outcome.targets) | (outcome.targets == IGNORED)
    return np.asarray(right.all(axis=1))
