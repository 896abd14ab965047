"""One random division into train, val and test."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from dlx.core.errors import ConfigError
from dlx.core.random import key
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
        if val_fraction + test_fraction >= 1:
            raise ConfigError(f"split.val_fraction + split.test_fraction must be below 1, got "
                              f"{val_fraction} + {test_fraction} = {val_fraction + test_fraction:g}")
        self.val_fraction = val_fraction
        self.test_fraction = test_fraction
        self.seed = seed

    def __call__(self, rows: Rows) -> SplitIds:
        """Divide rows; those of a classification keep class proportions.

        Raises:
            ConfigError: a split would be empty.
        """
        strata = rows.targets if rows.kind == "classification" else None
        test_ids, numbers = rows.test_ids, np.arange(len(rows.targets))
        if test_ids is None:
            numbers, test = self._cut(numbers, strata, self.test_fraction, "test")
            val_fraction = self.val_fraction / (1 - self.test_fraction)
        else:
            numbers, test = np.setdiff1d(numbers, test_ids), test_ids
            val_fraction = self.val_fraction
        train, val = self._cut(numbers, strata, val_fraction, "val")
        return SplitIds(np.sort(train), np.sort(val), np.sort(test))

    def _cut(self, rows: np.ndarray, strata: np.ndarray | None, fraction: float, name: str
             ) -> tuple[np.ndarray, np.ndarray]:
        from sklearn.model_selection import train_test_split

        labels = None if strata is None else strata[rows]
        size = round(fraction * len(rows))
        if not 0 < size < len(rows):
            raise ConfigError(f"split.{name}_fraction leaves a split empty: {size} of {len(rows)} rows for {name}")
        if labels is not None:
            counts = np.unique(labels, return_counts=True)[1]
            if counts.min() < 2 or min(size, len(rows) - size) < len(counts):
                labels = None
        state = key(self.seed, f"split-{name}") % 2**32
        rest, taken = train_test_split(rows, test_size=size, random_state=state, stratify=labels)
        return rest, taken
