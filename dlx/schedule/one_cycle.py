"""One cycle."""

import math

from dlx.core.ranges import Fraction, NonNegative
from dlx.core.schedule import Per, Schedule


class OneCycle(Schedule):
    """Half a cosine from start to 1, the base learning rate, and half a cosine down to final. The rise is the warmup.

    Source: Smith and Topin, Super-convergence, 2019; torch.optim.lr_scheduler.OneCycleLR with two phases. Momentum
    stays as it is.

    Args:
        rise_fraction: share of the training that rises, in (0, 1).
        start_factor: at the first step, relative to the base learning rate, in [0, inf).
        final_factor: at the last step, relative to the base learning rate, in [0, inf).
        per: whether the factor changes with every "step" or "epoch".
    """

    def __init__(self, rise_fraction: Fraction, start_factor: NonNegative, final_factor: NonNegative, per: Per) -> None:
        super().__init__(0.0, per)
        self.rise_fraction = rise_fraction
        self.start_factor = start_factor
        self.final_factor = final_factor

    def decay(self, step: int, num_steps: int, steps_per_epoch: int) -> float:
        """Return the factor at a step."""
        peak, last = self.rise_fraction * num_steps - 1, num_steps - 1
        if step <= peak:
            return _between(self.start_factor, 1.0, step / peak if peak > 0 else 1.0)
        return _between(1.0, self.final_factor, (step - peak) / (last - peak))


def _between(start: float, end: float, share: float) -> float:
    return end + (start - end) * (1 + math.cos(math.pi * share)) / 2
