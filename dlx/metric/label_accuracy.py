"""Accuracy of labels. Shape letters: N examples, B batch, C labels."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np

from dlx.core import intervals
from dlx.core.intervals import Interval
from dlx.core.types import Kind, Outcome

if TYPE_CHECKING:
    from torch import Tensor


class LabelAccuracy:
    """The mean over labels of the share of examples of which it is told rightly whether they have it, in [0, 1].

    A label is predicted where its probability is above 1/2. 1 minus this is the Hamming loss.
    """

    kind: ClassVar[Kind] = "multilabel"
    greater_is_better: ClassVar[bool] = True

    def value(self, outcome: Outcome) -> float:
        """Return the label accuracy of a whole split."""
        return float(_shares(outcome).mean())

    def interval(self, outcome: Outcome, level: float, seed: int) -> Interval:
        """Return the bootstrap interval of the mean over examples, which are drawn with all of their labels."""
        return intervals.mean(_shares(outcome), level, seed)

    def per_example(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Map logits [B, C] and targets [B, C] to the share of right labels of each example, [B]."""
        return ((outputs > 0) == (targets == 1)).to(outputs.dtype).mean(dim=1)

    def from_mean(self, mean: float) -> float:
        """Return the mean, which is the label accuracy."""
        return mean


def _shares(outcome: Outcome) -> np.ndarray:
    """Return the share of right labels of each example, [N]."""
    return np.asarray(((outcome.scores > 0.5) == outcome.targets).mean(axis=1))
