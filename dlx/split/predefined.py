"""The division that comes with the data."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from dlx.core.division import cut
from dlx.core.errors import ConfigError
from dlx.core.notes import note
from dlx.core.ranges import Fraction, Seed
from dlx.core.types import Rows, SplitIds

NAMES = ("train", "val", "test")


class Predefined:
    """Takes each row's split from a column, or test from the dataset's own test set; val may be missing.

    Where the data says nothing of val, it is cut at random from train, and keeps class proportions where every class
    has rows enough.

    Args:
        column: of notes, with the values train, val and test; null takes the dataset's own test set.
        val_fraction: of the rows that are not test, in (0, 1); without effect where the column names val.
        seed: of that cut.
    """

    MEMBER_VALUES: ClassVar[tuple[str, ...]] = ("seed",)

    def __init__(self, column: str | None, val_fraction: Fraction, seed: Seed) -> None:
        self.column = column
        self.val_fraction = val_fraction
        self.seed = seed

    def __call__(self, rows: Rows) -> SplitIds:
        """Divide rows.

        Raises:
            ConfigError: the data has no test set, or the column no such values.
        """
        ids = self._own_test(rows) if self.column is None else self._by_column(rows, self.column)
        if len(ids.val) == 0:
            train, val = cut(ids.train, self.val_fraction, "val", rows.strata, self.seed)
            ids = ids._replace(train=np.sort(train), val=np.sort(val))
        return ids

    def _own_test(self, rows: Rows) -> SplitIds:
        if rows.test_ids is None:
            raise ConfigError("split=predefined leaves test empty: the dataset has no test set of its own; name a "
                              "column that says train, val or test of each row with split.column, or use split=holdout")
        rest = np.setdiff1d(np.arange(len(rows.targets)), rows.test_ids)
        return SplitIds(rest, rest[:0], np.sort(rows.test_ids))

    def _by_column(self, rows: Rows, column: str) -> SplitIds:
        values = note(rows, "split.column", column).astype(str)
        strange = np.flatnonzero(~np.isin(values, NAMES))
        if len(strange):
            others = ", ".join(repr(str(value)) for value in np.unique(values[strange])[:5])
            raise ConfigError(f"split.column={column} must hold train, val or test; {len(strange)} of {len(values)} "
                              f"rows hold {others}, row {strange[0]} (from 0) for one")
        ids = SplitIds(*(np.flatnonzero(values == name) for name in NAMES))
        for name in ("train", "test"):
            if len(getattr(ids, name)) == 0:
                raise ConfigError(f"split.column={column} leaves a split empty: no row says {name}")
        if rows.test_ids is not None and not np.array_equal(ids.test, np.sort(rows.test_ids)):
            raise ConfigError(f"split.column={column} says test of other rows than the dataset's own test set has; "
                              f"use one of the two: split.column=null takes the dataset's")
        return ids
