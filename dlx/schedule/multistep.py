"""Decay at milestones."""

from typing import Annotated

from dlx.core.ranges import NonNegative, Range
from dlx.core.schedule import Schedule


class Multistep(Schedule):
    """factor(t) = gamma^n, with n the milestones that t, the epochs after the warmup, has reached.

    Source: He, Zhang, Ren and Sun, Deep residual learning for image recognition, 2016, section 4.2;
    torch.optim.lr_scheduler.MultiStepLR.

    Args:
        warmup_epochs: length of the linear warmup, in epochs, in [0, inf).
        milestones: epochs after the warmup, in any order, each in [0, inf); they are rounded to steps.
        gamma: of a milestone, in (0, 1].
    """

    def __init__(self, warmup_epochs: NonNegative, milestones: list[NonNegative],
                 gamma: Annotated[float, Range("(0, 1]")]) -> None:
        super().__init__(warmup_epochs)
        self.milestones = milestones
        self.gamma = gamma

    def decay(self, step: int, num_steps: int, steps_per_epoch: int) -> float:
        """Return the factor at a step after the warmup."""
        return float(self.gamma ** sum(step >= round(milestone * steps_per_epoch) for milestone in self.milestones))
