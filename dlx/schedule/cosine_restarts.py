"""Cosine decay with warm restarts."""

import math

from dlx.core.ranges import Count, NonNegative, Positive
from dlx.core.schedule import Per, Schedule


class CosineRestarts(Schedule):
    """factor(t) = final + (1 - final) · (1 + cos(π t / T)) / 2, t the steps since the last restart, T those between.

    Source: Loshchilov and Hutter, SGDR: stochastic gradient descent with warm restarts, 2017, equation 5.

    Args:
        warmup_epochs: length of the linear warmup, in epochs, in [0, inf).
        period_epochs: from the end of the warmup to the first restart, in (0, inf); it is rounded to steps.
        period_multiplier: how many times longer each period is than the one before, at least 1.
        final_factor: what the factor tends to before a restart, relative to the base learning rate, in [0, inf).
        per: whether the factor changes with every "step" or "epoch".
    """

    def __init__(self, warmup_epochs: NonNegative, period_epochs: Positive, period_multiplier: Count,
                 final_factor: NonNegative, per: Per) -> None:
        super().__init__(warmup_epochs, per)
        self.period_epochs = period_epochs
        self.period_multiplier = period_multiplier
        self.final_factor = final_factor

    def decay(self, step: int, num_steps: int, steps_per_epoch: int) -> float:
        """Return the factor at a step after the warmup."""
        period = max(1, round(self.period_epochs * steps_per_epoch))
        if self.period_multiplier == 1:
            step %= period
        while step >= period:
            step -= period
            period *= self.period_multiplier
        cosine = (1 + math.cos(math.pi * step / period)) / 2
        return self.final_factor + (1 - self.final_factor) * cosine
