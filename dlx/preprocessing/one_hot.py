"""A column of zeros and ones for each category."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Literal

import numpy as np

from dlx.core.categories import MISSING, Codes, Counts, free_name, places
from dlx.core.features import category_columns, require_layout, require_width
from dlx.core.types import Column, TaskSpec


class OneHot:
    """Every column with categories becomes one column per category that train has, 1 where a row is of it, else 0.

    They stand where the column stood and are called column=category. Columns of numbers stay as they are.

    Args:
        unseen: a category that train never saw is "zeros" in all of them, or 1 in a "column" of its own, named unseen.
        missing: a missing value is "zeros" in all of them, or 1 in a "column" of its own, named missing, if train has
            missing values there; if it has none, zeros.
    """

    def __init__(self, unseen: Literal["zeros", "column"], missing: Literal["zeros", "column"]) -> None:
        self.unseen = unseen
        self.missing = missing

    def fit(self, inputs: np.ndarray, targets: np.ndarray, spec: TaskSpec) -> dict[str, np.ndarray]:
        """Return the categories of train, and whether each column gets one for unseen, and for missing values.

        Returns:
            width, the number of columns; columns, offsets and codes, see `Codes`; unseen and missing, 0 or 1 for each
            column with categories.
        """
        return self.fit_blocks([inputs], spec)

    def fit_blocks(self, blocks: Iterable[np.ndarray], spec: TaskSpec) -> dict[str, np.ndarray]:
        """Return the same of rows that come block by block."""
        require_layout("one_hot", spec, "table")
        counts = Counts.of(blocks, spec)
        return {"width": np.array(spec.input_shape, np.int64), **Codes.frequent(counts)._asdict(),
                "unseen": np.full(len(counts.columns), self.unseen == "column", np.int64),
                "missing": ((counts.missing > 0) & (self.missing == "column")).astype(np.int64)}

    def apply(self, inputs: np.ndarray, statistics: Mapping[str, np.ndarray]) -> np.ndarray:
        """Transform inputs [N, D] to float32 with as many columns as there are numbers and categories."""
        require_width(inputs, statistics["width"])
        codes = Codes.from_statistics(statistics).by_column()
        own = dict(zip(codes, zip(*(statistics[name].astype(bool).tolist() for name in ("unseen", "missing")),
                                  strict=True),
                       strict=True))
        parts = [_hot(inputs[:, index], codes[index], *own[index]) if index in codes else inputs[:, index, None]
                 for index in range(inputs.shape[1])]
        return np.concatenate(parts, axis=1, dtype=np.float32)

    def spec_after(self, spec: TaskSpec, statistics: Mapping[str, np.ndarray] | None) -> TaskSpec | None:
        """Return the spec with a column for each category; None before those of train are known."""
        require_layout("one_hot", spec, "table")
        if not category_columns(spec).size:
            return spec
        if statistics is None:
            return None
        codes = Codes.from_statistics(statistics)
        new = {int(index): [Column(column.name)] for index, column in enumerate(spec.columns)}
        for (index, seen), unseen, missing in zip(codes.by_column().items(), statistics["unseen"],
                                                  statistics["missing"], strict=True):
            new[index] = _columns(spec.columns[index], seen, bool(unseen), bool(missing))
        columns = tuple(column for index in range(len(spec.columns)) for column in new[index])
        return replace(spec, input_shape=(len(columns),), columns=columns)


def _hot(values: np.ndarray, codes: np.ndarray, unseen: bool, missing: bool) -> np.ndarray:
    """Return [n, categories + unseen + missing] of zeros and ones."""
    found = places(values, codes)
    hot = [np.arange(len(codes)) == found[:, None]]
    hot += [found[:, None] == len(codes)] * unseen
    hot += [found[:, None] == MISSING] * missing
    return np.concatenate(hot, axis=1)


def _columns(column: Column, codes: np.ndarray, unseen: bool, missing: bool) -> list[Column]:
    names = tuple(column.categories[code] for code in codes)
    for name in ["unseen"] * unseen + ["missing"] * missing:
        names = (*names, free_name(name, names))
    return [Column(f"{column.name}={name}") for name in names]
