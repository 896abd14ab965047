"""Rare categories become one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

import numpy as np

from dlx.core.categories import Codes, Counts, free_name, places
from dlx.core.features import category_columns, require_layout, require_width
from dlx.core.ranges import Count, Rate
from dlx.core.types import TaskSpec


class Rare:
    """Categories that few train rows have become the one category "rare", the last of each column.

    So do categories that train never saw. Missing values stay missing, and numbers as they are.

    Args:
        min_count: train rows that a category needs to stay.
        min_fraction: share of the train rows that it needs, in [0, 1); the stricter of the two counts.
    """

    def __init__(self, min_count: Count, min_fraction: Rate) -> None:
        self.min_count = min_count
        self.min_fraction = min_fraction

    def fit(self, inputs: np.ndarray, targets: np.ndarray, spec: TaskSpec) -> dict[str, np.ndarray]:
        """Return width, the number of columns, and columns, offsets and codes: the categories that stay."""
        return self.fit_blocks([inputs], spec)

    def fit_blocks(self, blocks: Iterable[np.ndarray], spec: TaskSpec) -> dict[str, np.ndarray]:
        """Return the same of rows that come block by block."""
        require_layout("rare", spec, "table")
        counts = Counts.of(blocks, spec)
        kept = Codes.frequent(counts, max(self.min_count, self.min_fraction * counts.num_rows))
        return {"width": np.array(spec.input_shape, np.int64), **kept._asdict()}

    def apply(self, inputs: np.ndarray, statistics: Mapping[str, np.ndarray]) -> np.ndarray:
        """Number the categories of inputs [N, D] anew: those that stay from 0 on, and then the rare."""
        require_width(inputs, statistics["width"])
        out = inputs.copy()
        for column, codes in Codes.from_statistics(statistics).by_column().items():
            values = inputs[:, column]
            out[:, column] = np.where(np.isnan(values), np.nan, places(values, codes))
        return out

    def spec_after(self, spec: TaskSpec, statistics: Mapping[str, np.ndarray] | None) -> TaskSpec | None:
        """Return the spec with the categories that stay; None before they are known."""
        require_layout("rare", spec, "table")
        if statistics is None:
            return None if category_columns(spec).size else spec
        columns = list(spec.columns)
        for index, codes in Codes.from_statistics(statistics).by_column().items():
            names = tuple(columns[index].categories[code] for code in codes)
            columns[index] = columns[index]._replace(categories=(*names, free_name("rare", names)))
        return replace(spec, columns=tuple(columns))
