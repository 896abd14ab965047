"""Negative log likelihood. Shape letters: N examples, B batch, C classes."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from dlx.core import intervals
from dlx.core.intervals import Interval
from dlx.core.likelihood import negative_log_likelihood
from dlx.core.types import Kind, Outcome

if TYPE_CHECKING:
    from torch import Tensor

_EPSILON = float(np.finfo(np.float64).eps)
LARGEST = -math.log(_EPSILON)


class Nll:
    """The mean of −log p(target), in nats.

    Probabilities below 2⁻⁵² count as 2⁻⁵², as in scikit-learn, so that one example adds at most 36.04 nats and a
    probability that underflowed to 0 does not make the metric infinite. The streamed form has the same bound.
    """

    kind: ClassVar[Kind] = "classification"
    greater_is_better: ClassVar[bool] = False

    def value(self, outcome: Outcome) -> float:
        """Return the negative log likelihood of a whole split."""
        return float(_nats(outcome).mean())

    def interval(self, outcome: Outcome, level: float, seed: int) -> Interval:
        """Return the bootstrap interval of the mean over examples."""
        return intervals.mean(_nats(outcome), level, seed)

    def per_example(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Map logits [B, C] and targets [B] to nats [B], at most 36.04."""
        return negative_log_likelihood(outputs, targets).clamp(max=LARGEST)

    def from_mean(self, mean: float) -> float:
        """Return the mean, which is the negative log likelihood."""
        return mean


def _nats(outcome: Outcome) -> np.ndarray:
    """Return −log p(target) of each example, [N]."""
    probs = outcome.scores[np.arange(outcome.targets.size), outcome.targets]
    return np.asarray(-np.log(probs.clip(_EPSILON, 1 - _EPSILON)))
