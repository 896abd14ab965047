"""Cross-validation: every row is tested once, in one of several runs."""

from __future__ import annotations

from typing import Annotated, ClassVar

import numpy as np

from dlx.core.division import cut, cut_groups, folds
from dlx.core.errors import ConfigError
from dlx.core.notes import note
from dlx.core.ranges import Count, Fraction, Range, Seed
from dlx.core.types import Rows, SplitIds


class KFold:
    """Divides rows into folds of equal size, up to one row; one fold is test, val is cut at random from the rest.

    Folds keep class proportions. Runs with the same seed and other folds test every row once, and every row `repeats`
    times where the division is repeated (stratified k-fold: Kohavi 1995, IJCAI).
    A dataset's own test set is respected: the fold is then val, and val_fraction has no effect.

    Args:
        folds: of one division, in [2, 1000].
        repeats: divisions, each with a shuffle of its own.
        fold: which one is held out, below folds · repeats; in [0, inf). Folds 0 to folds − 1 are of the first division.
        val_fraction: of the rows outside of the fold, in (0, 1).
        group_column: a column of notes; rows of one group stay together, in the fold and in val. Null keeps none.
        seed: of the shuffles.

    Raises:
        ConfigError: no such fold.
    """

    MEMBER_VALUES: ClassVar[tuple[str, ...]] = ("fold", "seed")

    def __init__(self, folds: Annotated[int, Range("[2, 1000]")], repeats: Count,
                 fold: Annotated[int, Range("[0, inf)")], val_fraction: Fraction, group_column: str | None, seed: Seed
                 ) -> None:
        if fold >= folds * repeats:
            raise ConfigError(f"split.fold must be in [0, split.folds · split.repeats = {folds * repeats}), got {fold}")
        self.folds = folds
        self.repeats = repeats
        self.fold = fold
        self.val_fraction = val_fraction
        self.group_column = group_column
        self.seed = seed

    def __call__(self, rows: Rows) -> SplitIds:
        """Divide rows.

        Raises:
            ConfigError: fewer rows or groups than folds, or none left for val.
        """
        numbers = np.arange(len(rows.targets))
        groups = None if self.group_column is None else note(rows, "split.group_column", self.group_column)
        if rows.test_ids is not None:
            numbers = np.setdiff1d(numbers, rows.test_ids)
        repeat, number = divmod(self.fold, self.folds)
        held_out = folds(numbers, self.folds, rows.strata, groups, self.seed, "split-folds", repeat)[number]
        rest = np.setdiff1d(numbers, held_out)
        if rows.test_ids is not None:
            return SplitIds(rest, np.sort(held_out), np.sort(rows.test_ids))
        if groups is None:
            train, val = cut(rest, self.val_fraction, "val", rows.strata, self.seed, self.fold)
        else:
            train, val = cut_groups(rest, self.val_fraction, "val", groups, self.seed, self.fold)
        return SplitIds(np.sort(train), np.sort(val), np.sort(held_out))
