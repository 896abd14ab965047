"""Categories as whole numbers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Literal

import numpy as np

from dlx.core.categories import Codes, Counts, places
from dlx.core.features import require_layout, require_width
from dlx.core.types import Column, TaskSpec

UNSEEN, MISSING_NUMBER = -1.0, -2.0


class Ordinal:
    """Every column with categories becomes a column of numbers: 0, 1, 2 … for those that train has, in their order.

    A category that train never saw is -1. Columns of numbers stay as they are.

    Args:
        missing: a missing value is "number", which is -2, or "keep": it stays missing.
    """

    def __init__(self, missing: Literal["number", "keep"]) -> None:
        self.missing = missing

    def fit(self, inputs: np.ndarray, targets: np.ndarray, spec: TaskSpec) -> dict[str, np.ndarray]:
        """Return the categories of train, and what stands for a missing one.

        Returns:
            width, the number of columns; columns, offsets and codes, see `Codes`; missing [1].
        """
        return self.fit_blocks([inputs], spec)

    def fit_blocks(self, blocks: Iterable[np.ndarray], spec: TaskSpec) -> dict[str, np.ndarray]:
        """Return the same of rows that come block by block."""
        require_layout("ordinal", spec, "table")
        number = MISSING_NUMBER if self.missing == "number" else np.nan
        seen = Codes.frequent(Counts.of(blocks, spec))
        return {"width": np.array(spec.input_shape, np.int64), **seen._asdict(), "missing": np.array([number])}

    def apply(self, inputs: np.ndarray, statistics: Mapping[str, np.ndarray]) -> np.ndarray:
        """Number the categories of inputs [N, D]."""
        require_width(inputs, statistics["width"])
        out = inputs.copy()
        for column, codes in Codes.from_statistics(statistics).by_column().items():
            found = places(inputs[:, column], codes)
            numbers = np.where(found == len(codes), UNSEEN, found)
            out[:, column] = np.where(np.isnan(inputs[:, column]), statistics["missing"][0], numbers)
        return out

    def spec_after(self, spec: TaskSpec, statistics: Mapping[str, np.ndarray] | None) -> TaskSpec:
        """Return the spec with numbers for categories."""
        require_layout("ordinal", spec, "table")
        return replace(spec, columns=tuple(Column(column.name) for column in spec.columns))
