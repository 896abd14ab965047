"""A constant learning rate."""

from dlx.core.schedule import Schedule


class Constant(Schedule):
    """factor = 1 after the warmup.

    Args:
        warmup_epochs: length of the linear warmup, in epochs, in [0, inf).
    """

    def decay(self, step: int, num_steps: int) -> float:
        """Return 1."""
        return 1.0
