"""Early stopping."""

from __future__ import annotations

from typing import ClassVar

from dlx.core.hooks import History
from dlx.core.ranges import Count, NonNegative
from dlx.core.stalls import epochs_without_improvement


class EarlyStopping:
    """Ends training when a val metric has not improved for a number of epochs.

    Source: Prechelt, Early stopping, but when?, 1998. Only val is looked at.

    Args:
        monitor: a column of metrics.csv that is measured on val, e.g. val_loss, val_accuracy.
        patience: epochs without improvement, at least 1.
        min_delta: what counts as improvement, in units of the column, in [0, inf).
        restore: whether the weights kept must be those of the epoch at which the column was best, which the run's
            selection rule best_<monitor> sees to; false leaves it to the rule alone.
    """

    MEMBER_VALUES: ClassVar[tuple[str, ...]] = ("monitor", "patience", "min_delta", "restore")

    def __init__(self, monitor: str, patience: Count, min_delta: NonNegative, restore: bool) -> None:
        self.monitor = monitor
        self.patience = patience
        self.min_delta = min_delta
        self.restore = restore

    def columns(self) -> tuple[str, ...]:
        """Name the column that is monitored."""
        return (self.monitor,)

    def should_stop(self, history: History) -> str | None:
        """Return the reason to stop after the last epoch, or None."""
        waited = (epochs_without_improvement(history, self.monitor, self.min_delta) or [0])[-1]
        if waited < self.patience:
            return None
        return f"early_stopping: {self.monitor} has not improved by more than {self.min_delta:g} for {waited} epochs"
