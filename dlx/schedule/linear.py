"""Linear decay."""

from dlx.core.ranges import NonNegative
from dlx.core.schedule import Per, Schedule


class Linear(Schedule):
    """factor(t) = 1 + (final - 1) · t / T over the T steps after the warmup.

    Source: Devlin, Chang, Lee and Toutanova, BERT, 2019, appendix A.2; torch.optim.lr_scheduler.LinearLR.

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
        return 1 + (self.final_factor - 1) * (step / num_steps)
