"""What learning-rate schedules share: a linear warmup in front of a decay. Lengths are in epochs."""

from __future__ import annotations

from typing import Literal

from dlx.core.ranges import NonNegative

Per = Literal["step", "epoch"]


class Schedule:
    """lr(step) = base lr · factor(step): a linear warmup, then `decay` over the steps that remain.

    Args:
        warmup_epochs: length of the warmup, in epochs, fractions allowed, in [0, inf). It rises with every step.
        per: how often the decay moves on: with every step, or with every epoch after the warmup.
    """

    def __init__(self, warmup_epochs: NonNegative, per: Per = "step") -> None:
        self.warmup_epochs = warmup_epochs
        self.per = per

    def factor(self, step: int, steps_per_epoch: int, total_steps: int) -> float:
        """Return what the base learning rate is multiplied with at a step, counted from 0.

        The warmup starts above zero: its W steps have the factors 1/W, 2/W, …, 1.
        """
        warmup_steps = round(self.warmup_epochs * steps_per_epoch)
        if step < warmup_steps:
            return (step + 1) / warmup_steps
        step -= warmup_steps
        if self.per == "epoch":
            step -= step % steps_per_epoch
        return self.decay(step, max(total_steps - warmup_steps, 1), steps_per_epoch)

    def decay(self, step: int, num_steps: int, steps_per_epoch: int) -> float:
        """Return the factor at a step after the warmup, 0 ≤ step < num_steps."""
        raise NotImplementedError
