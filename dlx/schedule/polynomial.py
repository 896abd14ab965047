"""Polynomial decay."""

from dlx.core.ranges import NonNegative, Positive
from dlx.core.schedule import Per, Schedule


class Polynomial(Schedule):
    """factor(t) = final + (1 - final) · (1 - t / T)^power over the T steps after the warmup.

    Source: Chen, Papandreou, Kokkinos, Murphy and Yuille, DeepLab, 2018, section 4.1.1, the "poly" policy with power
    0.9; torch.optim.lr_scheduler.PolynomialLR.

    Args:
        warmup_epochs: length of the linear warmup, in epochs, in [0, inf).
        power: in (0, inf); 1 is linear.
        final_factor: what the factor tends to, relative to the base learning rate, in [0, inf).
        per: whether the factor changes with every "step" or "epoch".
    """

    def __init__(self, warmup_epochs: NonNegative, power: Positive, final_factor: NonNegative, per: Per) -> None:
        super().__init__(warmup_epochs, per)
        self.power = power
        self.final_factor = final_factor

    def decay(self, step: int, num_steps: int, steps_per_epoch: int) -> float:
        """Return the factor at a step after the warmup."""
        return float(self.final_factor + (1 - self.final_factor) * (1 - step / num_steps) ** self.power)
