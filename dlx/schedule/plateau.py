"""Decay when a val metric stalls."""

from __future__ import annotations

import copy
from typing import Annotated

from dlx.core.hooks import History
from dlx.core.ranges import Count, Fraction, NonNegative, Range
from dlx.core.schedule import Schedule
from dlx.core.stalls import epochs_without_improvement


class Plateau(Schedule):
    """factor = gamma^n, but at least final, with n how often the monitored metric has not improved for `patience`
    epochs.

    Source: torch.optim.lr_scheduler.ReduceLROnPlateau, whose patience is one less. Only val is looked at.

    Args:
        warmup_epochs: length of the linear warmup, in epochs, in [0, inf).
        monitor: a column of metrics.csv that is measured on val, e.g. val_loss, val_accuracy.
        gamma: of a reduction, in (0, 1).
        patience: epochs without improvement, at least 1; after a reduction they are counted anew.
        min_delta: what counts as improvement, in units of the column, in [0, inf).
        final_factor: what the factor does not go below, relative to the base learning rate, in [0, 1].
    """

    def __init__(self, warmup_epochs: NonNegative, monitor: str, gamma: Fraction, patience: Count,
                 min_delta: NonNegative, final_factor: Annotated[float, Range("[0, 1]")]) -> None:
        super().__init__(warmup_epochs)
        self.monitor = monitor
        self.gamma = gamma
        self.patience = patience
        self.min_delta = min_delta
        self.final_factor = final_factor
        self._num_reductions = 0

    def columns(self) -> tuple[str, ...]:
        """Name the column that is monitored."""
        return (self.monitor,)

    def after(self, history: History) -> Plateau:
        """Return the schedule of the next epoch."""
        waits = epochs_without_improvement(history, self.monitor, self.min_delta)
        later = copy.copy(self)
        later._num_reductions = sum(waited > 0 and waited % self.patience == 0 for waited in waits)
        return later

    def decay(self, step: int, num_steps: int, steps_per_epoch: int) -> float:
        """Return the factor after the warmup, the same for the whole epoch."""
        return max(float(self.gamma**self._num_reductions), float(self.final_factor))
