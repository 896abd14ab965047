"""Cross-validation inside of cross-validation: to search without touching what the result is tested on."""

from __future__ import annotations

from typing import Annotated, ClassVar

import numpy as np

from dlx.core.division import folds
from dlx.core.errors import ConfigError
from dlx.core.notes import note
from dlx.core.ranges import Range, Seed
from dlx.core.types import Rows, SplitIds

NumFolds = Annotated[int, Range("[2, 1000]")]
FoldNumber = Annotated[int, Range("[0, inf)")]


class Nested:
    """Divides rows into outer folds, of which one is test, and the rest into inner folds, of which one is val.

    A search takes the mean over the inner folds of one outer fold, whose rows no inner fold has (Varma & Simon 2006,
    BMC Bioinformatics 7:91). Folds keep class proportions. A dataset's own test set is the one outer fold that there
    is then.

    Args:
        outer_folds: in [2, 1000].
        outer: which one is test, below outer_folds; in [0, inf).
        inner_folds: of the rows that are not test, in [2, 1000].
        inner: which one is val, below inner_folds; in [0, inf).
        group_column: a column of notes; rows of one group stay in one fold. Null keeps none together.
        seed: of the shuffles.

    Raises:
        ConfigError: no such fold.
    """

    MEMBER_VALUES: ClassVar[tuple[str, ...]] = ("outer", "inner", "seed")

    def __init__(self, outer_folds: NumFolds, outer: FoldNumber, inner_folds: NumFolds, inner: FoldNumber,
                 group_column: str | None, seed: Seed) -> None:
        for name, number, count in (("outer", outer, outer_folds), ("inner", inner, inner_folds)):
            if number >= count:
                raise ConfigError(f"split.{name} must be in [0, split.{name}_folds = {count}), got {number}")
        self.outer_folds = outer_folds
        self.outer = outer
        self.inner_folds = inner_folds
        self.inner = inner
        self.group_column = group_column
        self.seed = seed

    def __call__(self, rows: Rows) -> SplitIds:
        """Divide rows.

        Raises:
            ConfigError: fewer rows or groups than folds; another outer fold than 0 of a dataset with a test set.
        """
        numbers = np.arange(len(rows.targets))
        groups = None if self.group_column is None else note(rows, "split.group_column", self.group_column)
        if rows.test_ids is None:
            test = folds(numbers, self.outer_folds, rows.strata, groups, self.seed, "split-outer")[self.outer]
        elif self.outer == 0:
            test = rows.test_ids
        else:
            raise ConfigError(f"split.outer={self.outer}: the dataset has a test set of its own, which is the only "
                              f"outer fold; leave split.outer=0")
        rest = np.setdiff1d(numbers, test)
        val = folds(rest, self.inner_folds, rows.strata, groups, self.seed, "split-inner", self.outer)[self.inner]
        return SplitIds(np.setdiff1d(rest, val), np.sort(val), np.sort(test))
