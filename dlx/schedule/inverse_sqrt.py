"""Inverse square root decay."""

from dlx.core.ranges import NonNegative, Positive
from dlx.core.schedule import Per, Schedule


class InverseSqrt(Schedule):
    """factor(t) = 1 / √(1 + t / timescale), with t the epochs after the warmup.

    Source: Vaswani, Shazeer, Parmar, Uszkoreit, Jones, Gomez, Kaiser and Polosukhin, Attention is all you need, 2017,
    equation 3, where the timescale is the length of the warmup; Zhai, Kolesnikov, Houlsby and Beyer, Scaling vision
    transformers, 2022.

    Args:
        warmup_epochs: length of the linear warmup, in epochs, in [0, inf).
        timescale_epochs: in which the factor falls to 0.71, in (0, inf).
        per: whether the factor changes with every "step" or "epoch".
    """

    def __init__(self, warmup_epochs: NonNegative, timescale_epochs: Positive, per: Per) -> None:
        super().__init__(warmup_epochs, per)
        self.timescale_epochs = timescale_epochs

    def decay(self, step: int, num_steps: int, steps_per_epoch: int) -> float:
        """Return the factor at a step after the warmup."""
        return float((1 + step / (self.timescale_epochs * steps_per_epoch)) ** -0.5)
