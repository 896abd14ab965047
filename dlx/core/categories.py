"""Codes of categories: which of them train has, and where a value stands among those.

K columns with categories, M codes of all of them, n rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from dlx.core.features import category_columns
from dlx.core.types import TaskSpec

MISSING = -1


class Codes(NamedTuple):
    """Some codes of each column with categories.

    columns [K]: their indices in the table; offsets [K + 1]; codes [M], ascending within a column: those of the k-th
    are codes[offsets[k] : offsets[k + 1]].
    """

    columns: np.ndarray
    offsets: np.ndarray
    codes: np.ndarray

    @classmethod
    def of_train(cls, inputs: np.ndarray, spec: TaskSpec, min_count: float = 1) -> Codes:
        """Find the codes that at least so many rows [N, D] have."""
        columns = category_columns(spec)
        found = [np.flatnonzero(counts(inputs[:, column]) >= min_count) for column in columns]
        offsets = np.concatenate([[0], np.cumsum([len(codes) for codes in found])]).astype(np.int64)
        return cls(columns, offsets, np.concatenate([*found, np.zeros(0, np.int64)]).astype(np.int64))

    @classmethod
    def from_statistics(cls, statistics: Mapping[str, np.ndarray]) -> Codes:
        """Take them from the statistics of a preprocessing."""
        return cls(statistics["columns"], statistics["offsets"], statistics["codes"])

    def by_column(self) -> dict[int, np.ndarray]:
        """Return the codes of each column."""
        return {int(column): self.codes[low:high]
                for column, low, high in zip(self.columns, self.offsets[:-1], self.offsets[1:], strict=True)}


def counts(values: np.ndarray) -> np.ndarray:
    """Count the rows that have each code, from 0 to the largest; NaN is no code."""
    return np.bincount(values[~np.isnan(values)].astype(np.int64))


def places(values: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Return where values [n] stand among ascending codes [m]: m where nowhere, MISSING where they are NaN."""
    if not len(codes):
        return np.where(np.isnan(values), MISSING, 0)
    found = np.minimum(np.searchsorted(codes, values), len(codes) - 1)
    known = np.where(codes[found] == values, found, len(codes))
    return np.where(np.isnan(values), MISSING, known)


def free_name(name: str, taken: tuple[str, ...]) -> str:
    """Return a name that is not taken yet: itself, or with a number."""
    names = (name, *(f"{name} ({number})" for number in range(2, len(taken) + 3)))
    return next(free for free in names if free not in taken)
