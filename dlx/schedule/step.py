"""Decay in equal steps."""

from typing import Annotated

from dlx.core.ranges import NonNegative, Positive, Range
from dlx.core.schedule import Schedule


class Step(Schedule):
    """factor(t) = gamma^⌊t / every⌋, with t the epochs after the warmup.

    Source: torch.optim.lr_scheduler.StepLR.

    Args:
        warmup_epochs: length of the linear warmup, in epochs, in [0, inf).
        every_epochs: between two changes, in (0, inf); it is rounded to steps.
        gamma: of a change, in (0, 1].
    """

    def __init__(self, warmup_epochs: NonNegative, every_epochs: Positive, gamma: Annotated[float, Range("(0, 1]")]
                 ) -> None:
        super().__init__(warmup_epochs)
        self.every_epochs = every_epochs
        self.gamma = gamma

    def decay(self, step: int, num_steps: int, steps_per_epoch: int) -> float:
        """Return the factor at a step after the warmup."""
        return float(self.gamma ** (step // max(1, round(self.every_epochs * steps_per_epoch))))
