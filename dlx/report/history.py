"""The epochs of a run: metrics.csv as columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Column = NDArray[np.float64]
SHOWN = ("accuracy", "rmse", "token_accuracy", "mae", "nll")


@dataclass(frozen=True)
class History:
    """Columns of equal length, one number per epoch, NaN where there is none.

    Args:
        columns: column name to numbers.
        num_epochs: epochs that were finished.
    """

    columns: Mapping[str, Column]
    num_epochs: int

    @classmethod
    def of(cls, rows: Sequence[Mapping[str, float | None]]) -> History:
        """Turn rows, all with the same columns, into columns."""
        names = rows[0] if rows else ()
        return cls({name: np.array([_number(row[name]) for row in rows]) for name in names}, len(rows))

    @property
    def epochs(self) -> Column:
        """Epoch numbers, from 1."""
        return self.columns["epoch"] if "epoch" in self.columns else np.arange(1.0, self.num_epochs + 1)

    def column(self, name: str) -> Column:
        """Return a column; NaN where the run did not record it."""
        return self.columns.get(name, np.full(self.num_epochs, np.nan))

    def has(self, name: str) -> bool:
        """Say whether a column has at least one finite number."""
        return bool(np.isfinite(self.column(name)).any())

    def shown_metric(self) -> str | None:
        """Return the metric drawn beside the loss: the first of SHOWN, or whatever there is."""
        on_val = [name.removeprefix("val_") for name in self.columns if name.startswith("val_") and self.has(name)]
        names = [name for name in on_val if name != "loss" and self.has(f"train_eval_{name}")]
        return next((name for name in SHOWN if name in names), names[0] if names else None)

    def last(self, name: str) -> float | None:
        """Return the last finite number of a column."""
        values = self.column(name)
        finite = values[np.isfinite(values)]
        return float(finite[-1]) if finite.size else None


def _number(value: float | None) -> float:
    return float("nan") if value is None else value
