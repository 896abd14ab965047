"""A constant learning rate."""

from dlx.core.ranges import NonNegative
from dlx.core.schedule import Schedule


class Constant(Schedule):
    """factor = 1 after the warmup.

    Args:
        warmup_epochs: length of the linear warmup, in epochs, in [0, inf).
    """

    def __init__(self, warmup_epochs: NonNegative) -> None:
        super().__init__(warmup_epochs)

    def decay(self, step: int, num_steps: int, steps_per_epoch: int) -> float:
        """Return 1."""
        return 1.0
