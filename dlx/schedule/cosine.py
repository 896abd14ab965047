"""Cosine decay."""

import math

from dlx.core.ranges import NonNegative
from dlx.core.schedule import Per, Schedule


class Cosine(Schedule):
    """factor(t) = final + (1 - final) · (1 + cos(π t / T)) / 2 over the T steps after the warmup.

    Source: Loshchilov and Hutter, SGDR: stochastic gradient descent with warm restarts, 2017, equation 5, one period.

    Args:
        warmup_epochs: length of the linear warmup, in epochs, in [0, inf).
        final_factor: what the factor tends to, relative to the base learning rate, in [0, inf).
        per: whether the factor changes with every "step" or "epoch".
    """

    def __init__(self, warmup_epochs: NonNegative, final_factor: NonNegative, per: Per) -> None:
        super().__init__(warmup_epochs, per)
        self.final_factor = final_factor

    def decay(self, step: int, num_steps: int, steps_per_epoch: int) -> float:
        """Return the factor at a step after the warmup."""
        cosine = (1 + math.cos(math.pi * step / num_steps)) / 2
        return self.final_factor + (1 - self.final_factor) * cosine
