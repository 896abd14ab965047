"""What learning-rate schedules share: a linear warmup in front of a decay."""

from __future__ import annotations

from dlx.core.ranges import NonNegative


class Schedule:
    """lr(step) = base lr · factor(step): a linear warmup, then `decay` over the steps that remain.

    Args:
        warmup_epochs: length of the warmup, in epochs, fractions allowed, in [0, inf).
    """

    def __init__(self, warmup_epochs: NonNegative) -> None:
        self.warmup_epochs = warmup_epochs

    def factor(self, step: int, steps_per_epoch: int, total_steps: int) -> float:
        """Return what the base learning rate is multiplied with at a step, counted from 0.

        The warmup starts above zero: its W steps have the factors 1/W, 2/W, …, 1.
        """
        warmup_steps = round(self.warmup_epochs * steps_per_epoch)
        if step < warmup_steps:
            return (step + 1) / warmup_steps
        return self.decay(step - warmup_steps, max(total_steps - warmup_steps, 1))

    def decay(self, step: int, num_steps: int) -> float:
        """Return the factor at a step after the warmup, 0 ≤ step < num_steps."""
        raise NotImplementedError
