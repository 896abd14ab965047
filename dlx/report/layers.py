"""The weights of a run over its epochs: layers.csv as matrices. E epochs, L weights."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dlx.record.layers import LayerRow

Matrix = NDArray[np.float64]
# Of the epochs, those that show what a learning rate does before the gradient has become small.
EARLY_SHARE = 0.25


@dataclass(frozen=True)
class Layers:
    """What each epoch's last step did to each weight; NaN where it did nothing, or nothing finite.

    Args:
        names: of the weights, in the order of the model.
        epochs: [E], from 1.
        gradients, updates, weights: [E, L]: norm of the gradient, of the update relative to the weight, of the weight.
    """

    names: tuple[str, ...]
    epochs: NDArray[np.int64]
    gradients: Matrix
    updates: Matrix
    weights: Matrix

    @classmethod
    def of(cls, rows: Sequence[LayerRow]) -> Layers | None:
        """Turn rows into matrices; None of none. Raises ValueError where not every epoch has all weights."""
        if not rows:
            return None
        names = tuple(row.layer for row in rows if row.epoch == rows[0].epoch)
        epochs = np.array([row.epoch for row in rows[::len(names)]])
        expected = [(int(epoch), name) for epoch in epochs for name in names]
        if expected != [(row.epoch, row.layer) for row in rows] or len({*expected}) < len(expected):
            raise ValueError("not every epoch has a row of every weight")
        values = np.array([[np.nan if value is None else value for value in row[3:]] for row in rows], dtype=np.float64)
        gradients, updates, weights = np.moveaxis(values.reshape(len(epochs), len(names), 3), 2, 0)
        return cls(names, epochs, gradients, updates, weights)

    def gradient_medians(self) -> Matrix:
        """Return each weight's median gradient norm over the epochs, [L]; NaN where it was never trained."""
        return _medians(self.gradients)

    def gradient_ratios(self) -> Matrix:
        """Return the median over the epochs of each weight's gradient norm over that of the last one trained, [L]."""
        trained = np.flatnonzero(np.isfinite(self.gradients).any(axis=0))
        if not trained.size:
            return np.full(len(self.names), np.nan)
        last = self.gradients[:, trained[-1]]
        return _medians(self.gradients / np.where(last > 0, last, np.nan)[:, None])

    def update_medians(self) -> Matrix:
        """Return each weight's median update ratio over the epochs, [L]."""
        return _medians(self.updates)

    def early_updates(self) -> Matrix:
        """Return each weight's median update ratio over the first quarter of the epochs, at least one, [L]."""
        return _medians(self.updates[:max(1, int(EARLY_SHARE * len(self.epochs)))])


def _medians(values: Matrix) -> Matrix:
    with warnings.catch_warnings():
        # Of a column without any number.
        warnings.simplefilter("ignore", RuntimeWarning)
        medians: Matrix = np.nanmedian(values, axis=0)
    return medians
