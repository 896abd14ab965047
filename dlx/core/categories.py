"""Codes of categories: which of them train has, and where a value stands among those.

N rows, D columns, K of them with categories, M codes of all of these.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np

from dlx.core.features import category_columns
from dlx.core.types import TaskSpec

MISSING = -1


class Counts(NamedTuple):
    """How often categories occur in rows: columns [K], their indices in the table; of each its counts by code."""

    num_rows: int
    columns: np.ndarray
    by_code: list[np.ndarray]
    missing: np.ndarray

    @classmethod
    def of(cls, blocks: Iterable[np.ndarray], spec: TaskSpec) -> Counts:
        """Count in rows [N, D] that come block by block."""
        columns = category_columns(spec)
        by_code = [np.zeros(len(spec.columns[column].categories), np.int64) for column in columns]
        num_rows, missing = 0, np.zeros(len(columns), np.int64)
        for block in blocks:
            num_rows += len(block)
            for place, column in enumerate(columns):
                codes = block[:, column][~np.isnan(block[:, column])].astype(np.int64)
                by_code[place] += np.bincount(codes, minlength=len(by_code[place]))
                missing[place] += len(block) - len(codes)
        return cls(num_rows, columns, by_code, missing)


class Codes(NamedTuple):
    """Some codes of each column with categories.

    columns [K]: their indices in the table; offsets [K + 1]; codes [M], ascending within a column: those of the k-th
    are codes[offsets[k] : offsets[k + 1]].
    """

    columns: np.ndarray
    offsets: np.ndarray
    codes: np.ndarray

    @classmethod
    def frequent(cls, counts: Counts, min_count: float = 1) -> Codes:
        """Take the codes that occur at least so often."""
        found = [np.flatnonzero(own >= min_count) for own in counts.by_code]
        offsets = np.concatenate([[0], np.cumsum([len(codes) for codes in found])]).astype(np.int64)
        return cls(counts.columns, offsets, np.concatenate([*found, np.zeros(0, np.int64)]).astype(np.int64))

    @classmethod
    def from_statistics(cls, statistics: Mapping[str, np.ndarray]) -> Codes:
        """Take them from the statistics of a preprocessing."""
        return cls(statistics["columns"], statistics["offsets"], statistics["codes"])

    def by_column(self) -> dict[int, np.ndarray]:
        """Return the codes of each column."""
        return {int(column): self.codes[low:high]
                for column, low, high in zip(self.columns, self.offsets[:-1], self.offsets[1:], strict=True)}


def places(values: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Return where values [N] stand among ascending codes [M]: M where nowhere, MISSING where they are NaN."""
    if not len(codes):
        return np.where(np.isnan(values), MISSING, 0)
    found = np.minimum(np.searchsorted(codes, values), len(codes) - 1)
    known = np.where(codes[found] == values, found, len(codes))
    return np.where(np.isnan(values), MISSING, known)


def free_name(name: str, taken: tuple[str, ...]) -> str:
    """Return a name that is not taken yet: itself, or with a number."""
    names = (name, *(f"{name} ({number})" for number in range(2, len(taken) + 3)))
    return next(free for free in names if free not in taken)
