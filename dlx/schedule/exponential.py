"""Exponential decay."""

from typing import Annotated

from dlx.core.ranges import NonNegative, Range
from dlx.core.schedule import Per, Schedule


class Exponential(Schedule):
    """factor(t) = gamma^t, with t the epochs after the warmup.

    Source: torch.optim.lr_scheduler.ExponentialLR.

    Args:
        warmup_epochs: length of the linear warmup, in epochs, in [0, inf).
        gamma: of an epoch, in (0, 1].
        per: whether the factor changes with every "step" or "epoch".
    """

    def __init__(self, warmup_epochs: NonNegative, gamma: Annotated[float, Range("(0, 1]")], per: Per) -> None:
        super().__init__(warmup_epochs, per)
        self.gamma = gamma

    def decay(self, step: int, num_steps: int, steps_per_epoch: int) -> float:
        """Return the factor at a step after the warmup; gamma once an epoch, or its root with every step."""
        return float(self.gamma ** (step / steps_per_epoch))
