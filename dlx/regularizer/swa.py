"""Stochastic weight averaging."""

from __future__ import annotations

from dlx.core.ranges import Rate


class SWA:
    """The mean of the weights at the ends of the last epochs is measured and kept. Conflicts with: ema.

    Source: Izmailov, Podoprikhin, Garipov, Vetrov and Wilson, Averaging weights leads to wider optima and better
    generalization, 2018, algorithm 1, one model an epoch. Statistics of batch normalization are taken anew for the mean
    by a pass over the train examples. Before, the weights themselves are measured, with such statistics. In the
    averaged epochs the learning rate should be constant and not small: that is the schedule's to say.

    Args:
        start_fraction: share of the epochs that are left out of the mean, in [0, 1); the last one never is.
    """

    restarts_statistics = True

    def __init__(self, start_fraction: Rate) -> None:
        self.start_fraction = start_fraction

    def share(self, step: int, steps_per_epoch: int, num_steps: int) -> float | None:
        """Return 1 / n for the n-th epoch of the mean, 1 before, at the last step of an epoch."""
        epoch, rest = divmod(step + 1, steps_per_epoch)
        if rest:
            return None
        left_out = int(self.start_fraction * (num_steps // steps_per_epoch))
        return 1 / max(1, epoch - left_out)
