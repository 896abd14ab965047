"""The past trains, what comes after it is val, the latest is test."""

from __future__ import annotations

from typing import Annotated

import numpy as np

from dlx.core.division import refuse_empty, refuse_fractions
from dlx.core.errors import ConfigError
from dlx.core.notes import times
from dlx.core.ranges import Fraction, Range
from dlx.core.types import Rows, SplitIds


class Temporal:
    """Puts rows in order and cuts it twice; nothing is drawn.

    Rows of the same time are never parted: a cut among them moves to their nearer end. A dataset's own test set is
    respected: test_fraction then has no effect, and val is the latest of the rest.

    Args:
        column: of notes, with numbers or dates; null is the order of rows in the dataset.
        val_fraction: of the rows that are divided, in (0, 1).
        test_fraction: of the rows that are divided, in (0, 1); the two sum to less than 1.
        gap: rows that are left out before val and before test, so that what overlaps in time, as windows of a series
            do, is on one side alone; in [0, inf).

    Raises:
        ConfigError: the fractions leave nothing to train on.
    """

    def __init__(self, column: str | None, val_fraction: Fraction, test_fraction: Fraction,
                 gap: Annotated[int, Range("[0, inf)")]) -> None:
        refuse_fractions(val_fraction, test_fraction)
        self.column = column
        self.val_fraction = val_fraction
        self.test_fraction = test_fraction
        self.gap = gap

    def __call__(self, rows: Rows) -> SplitIds:
        """Divide rows; those of gaps are in no split.

        Raises:
            ConfigError: no such column, a row without a time, or a split that would be empty.
        """
        numbers = np.arange(len(rows.targets))
        when = numbers if self.column is None else times(rows, "split.column", self.column)
        if rows.test_ids is None:
            rest, test = self._cut(numbers, when, self.test_fraction, "test")
            val_fraction = self.val_fraction * len(numbers) / max(1, len(rest))
        else:
            rest, test = np.setdiff1d(numbers, rows.test_ids), rows.test_ids
            val_fraction = self.val_fraction
        train, val = self._cut(rest, when, val_fraction, "val")
        return SplitIds(np.sort(train), np.sort(val), np.sort(test))

    def _cut(self, rows: np.ndarray, when: np.ndarray, fraction: float, name: str) -> tuple[np.ndarray, np.ndarray]:
        """Cut the latest rows off; without the gap, which is taken from the earlier ones."""
        ordered = rows[np.argsort(when[rows], kind="stable")]
        refuse_empty(name, round(fraction * len(rows)), len(rows))
        # Where a new time begins; a cut is possible there alone.
        begins = np.flatnonzero(when[ordered][1:] != when[ordered][:-1]) + 1
        if len(begins) == 0:
            raise ConfigError(f"split.{name}_fraction leaves a split empty: all {len(rows)} rows that are left have "
                              f"the same time in split.column={self.column}")
        border = int(begins[np.argmin(np.abs(begins - (len(rows) - round(fraction * len(rows)))))])
        if border <= self.gap:
            raise ConfigError(f"split.gap={self.gap} leaves a split empty: {border} rows come before {name}")
        return ordered[:border - self.gap], ordered[border:]
