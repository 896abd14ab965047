"""Rows of one group stay together: of a speaker, a patient, a site."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from dlx.core.division import cut_groups, refuse_fractions
from dlx.core.notes import note
from dlx.core.ranges import Fraction, Seed
from dlx.core.types import Rows, SplitIds


class Grouped:
    """Gives whole groups to test, val and train, at random, as many as come nearest to the fractions of rows.

    A dataset's own test set is respected: test_fraction then has no effect, val is cut from the rest, and groups that
    the test set shares with the rest are not parted again.

    Args:
        column: of notes, that says which group a row is of.
        val_fraction: of the rows that are divided, in (0, 1).
        test_fraction: of the rows that are divided, in (0, 1); the two sum to less than 1.
        seed: of the draw of groups.

    Raises:
        ConfigError: the fractions leave nothing to train on.
    """

    MEMBER_VALUES: ClassVar[tuple[str, ...]] = ("seed",)

    def __init__(self, column: str, val_fraction: Fraction, test_fraction: Fraction, seed: Seed) -> None:
        refuse_fractions(val_fraction, test_fraction)
        self.column = column
        self.val_fraction = val_fraction
        self.test_fraction = test_fraction
        self.seed = seed

    def __call__(self, rows: Rows) -> SplitIds:
        """Divide rows.

        Raises:
            ConfigError: no such column, a row without a group, or fewer than three groups.
        """
        groups, numbers = note(rows, "split.column", self.column), np.arange(len(rows.targets))
        if rows.test_ids is None:
            numbers, test = cut_groups(numbers, self.test_fraction, "test", groups, self.seed)
            val_fraction = self.val_fraction / (1 - self.test_fraction)
        else:
            numbers, test = np.setdiff1d(numbers, rows.test_ids), rows.test_ids
            val_fraction = self.val_fraction
        train, val = cut_groups(numbers, val_fraction, "val", groups, self.seed)
        return SplitIds(np.sort(train), np.sort(val), np.sort(test))
