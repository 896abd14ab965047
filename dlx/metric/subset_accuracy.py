"""Examples all of whose labels are right. Shape letters: N examples, B batch, C labels."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np

from dlx.core.intervals import Interval, proportion
from dlx.core.types import Kind, Outcome

if TYPE_CHECKING:
    from torch import Tensor


class SubsetAccuracy:
    """The share of examples whose predicted labels are exactly those that they have, in [0, 1].

    A label is predicted where its probability is above 1/2.
    """

    kind: ClassVar[Kind] = "multilabel"
    greater_is_better: ClassVar[bool] = True

    def value(self, outcome: Outcome) -> float:
        """Return the share of a whole split."""
        return float(_matches(outcome).mean())

    def interval(self, outcome: Outcome, level: float, seed: int) -> Interval:
        """Return the interval of a proportion of examples; nothing is drawn."""
        matches = _matches(outcome)
        return proportion(int(np.count_nonzero(matches)), matches.size, level)

    def per_example(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Map logits [B, C] and targets [B, C] to 1 where all labels are right, else 0, [B]."""
        return ((outputs > 0) == (targets == 1)).all(dim=1).to(outputs.dtype)

    def from_mean(self, mean: float) -> float:
        """Return the mean, which is the share."""
        return mean


def _matches(outcome: Outcome) -> np.ndarray:
    """Return whether all labels of each example are right, [N]."""
    return np.asarray(((outcome.scores > 0.5) == outcome.targets).all(axis=1))
