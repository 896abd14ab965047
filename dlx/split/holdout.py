"""One random division into train, val and test."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from dlx.core.division import cut, refuse_fractions
from dlx.core.ranges import Fraction, Seed
from dlx.core.types import Rows, SplitIds


class Holdout:
    """Shuffles rows and cuts them in three; keeps class proportions where every class has rows enough.

    A dataset's own test set is respected: test_fraction then has no effect, and val is cut from the rest.

    Args:
        val_fraction: of the rows that are divided, in (0, 1).
        test_fraction: of the rows that are divided, in (0, 1); the two sum to less than 1.
        seed: of the shuffle.

    Raises:
        ConfigError: the fractions leave nothing to train on.
    """

    MEMBER_VALUES: ClassVar[tuple[str, ...]] = ("seed",)

    def __init__(self, val_fraction: Fraction, test_fraction: Fraction, seed: Seed) -> None:
        refuse_fractions(val_fraction, test_fraction)
        self.val_fraction = val_fraction
        self.test_fraction = test_fraction
        self.seed = seed

    def __call__(self, rows: Rows) -> SplitIds:
        """Divide rows; those of a classification keep class proportions.

        Raises:
            ConfigError: a split would be empty.
        """
        test_ids, numbers = rows.test_ids, np.arange(len(rows.targets))
        if test_ids is None:
            numbers, test = cut(numbers, self.test_fraction, "test", rows.strata, self.seed)
            val_fraction = self.val_fraction / (1 - self.test_fraction)
        else:
            numbers, test = np.setdiff1d(numbers, test_ids), test_ids
            val_fraction = self.val_fraction
        train, val = cut(numbers, val_fraction, "val", rows.strata, self.seed)
        return SplitIds(np.sort(train), np.sort(val), np.sort(test))
