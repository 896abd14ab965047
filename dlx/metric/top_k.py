"""Top-k accuracy. Shape letters: N examples, B batch, C classes."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np

from dlx.core.intervals import Interval, proportion
from dlx.core.ranges import Count
from dlx.core.types import Kind, Outcome

if TYPE_CHECKING:
    from torch import Tensor


class TopK:
    """The share of examples whose target is among the k most probable classes, in [0, 1].

    Of classes equally probable the last ones are taken, as in scikit-learn. With k ≥ C every example is a hit: 1.0.

    Args:
        k: number of classes that may be named.
    """

    kind: ClassVar[Kind] = "classification"
    greater_is_better: ClassVar[bool] = True

    def __init__(self, k: Count) -> None:
        self.k = k

    def value(self, outcome: Outcome) -> float:
        """Return the top-k accuracy of a whole split."""
        return float(self._hits(outcome).mean())

    def interval(self, outcome: Outcome, level: float, seed: int) -> Interval:
        """Return the interval of a proportion; nothing is drawn."""
        hits = self._hits(outcome)
        return proportion(int(np.count_nonzero(hits)), hits.size, level)

    def per_example(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Map logits [B, C] and targets [B] to 1 where the target is among the k largest, else 0, [B]."""
        import torch

        targets = targets[:, None]
        own = outputs.gather(1, targets)
        later = torch.arange(outputs.shape[1], device=outputs.device) > targets
        ahead = (outputs > own) | ((outputs == own) & later)
        return (ahead.sum(dim=1) < self.k).to(outputs.dtype)

    def from_mean(self, mean: float) -> float:
        """Return the mean, which is the top-k accuracy."""
        return mean

    def _hits(self, outcome: Outcome) -> np.ndarray:
        scores, targets = outcome.scores, outcome.targets[:, None]
        own = np.take_along_axis(scores, targets, axis=1)
        ahead = (scores > own) | ((scores == own) & (np.arange(scores.shape[1]) > targets))
        return np.asarray(ahead.sum(axis=1) < self.k)
