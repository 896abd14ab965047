"""Perplexity of sequences. Shape letters: N sequences, B batch, L positions, C classes."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from dlx.core import intervals
from dlx.core.intervals import Interval
from dlx.core.types import IGNORED, Kind, Outcome

if TYPE_CHECKING:
    from torch import Tensor

# As of the metric nll: a probability below 2⁻⁵² counts as 2⁻⁵².
LARGEST = -math.log(float(np.finfo(np.float64).eps))


class Perplexity:
    """exp of the mean over sequences of their mean −log p(target), in [1, inf): 1 is certain and right.

    As many classes would be as hard to tell apart if all were equally probable. Every sequence counts alike, and so,
    where all are of one length, does every token. A token adds at most 36.04 nats, so that no probability that
    underflowed to 0 makes the metric infinite.
    """

    kind: ClassVar[Kind] = "sequence"
    greater_is_better: ClassVar[bool] = False

    def value(self, outcome: Outcome) -> float:
        """Return the perplexity of a whole split."""
        return math.exp(_nats(outcome).mean())

    def interval(self, outcome: Outcome, level: float, seed: int) -> Interval:
        """Return exp of the bootstrap bounds of the mean over sequences: both methods respect a monotone map."""
        nats = intervals.mean(_nats(outcome), level, seed)
        return nats._replace(low=math.exp(nats.low), high=math.exp(nats.high))

    def per_example(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Map logits [B, L, C] and targets [B, L] to the mean nats of each sequence, [B], at most 36.04."""
        from dlx.core.likelihood import mean_over_positions, token_nats

        return mean_over_positions(token_nats(outputs, targets).clamp(max=LARGEST), targets)

    def from_mean(self, mean: float) -> float:
        """Return exp of the mean."""
        return math.exp(mean)


def _nats(outcome: Outcome) -> np.ndarray:
    """Return the mean −log p(target) of each sequence, [N]."""
    asked = outcome.targets != IGNORED
    nats = np.where(asked, (-outcome.scores[:, :, 1]).clip(0, LARGEST), 0.0)
    return np.asarray(nats.sum(axis=1) / asked.sum(axis=1).clip(min=1))
