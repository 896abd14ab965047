"""Outliers become the nearest usual value."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

import numpy as np

from dlx.core.errors import ConfigError
from dlx.core.features import feature_quantiles, number_columns, require_layout
from dlx.core.ranges import Positive, Range
from dlx.core.types import TaskSpec


class Clip:
    """Numbers of a table below a lower bound become that bound, those above an upper bound that.

    The bounds of each column come from train. Left as they are: missing values, categories, columns of one or two
    values, such as those of one_hot, and by "iqr" columns half of whose values are one.

    Args:
        method: "quantile", bounds are quantiles; "iqr", bounds are the quartiles less and plus k times their distance
            (Tukey 1977: 1.5 for outliers, 3 for far ones).
        low: the lower quantile.
        high: the upper quantile.
        k: how many interquartile ranges.
    """

    def __init__(self, method: Literal["quantile", "iqr"], low: Annotated[float, Range("[0, 1)")],
                 high: Annotated[float, Range("(0, 1]")], k: Positive) -> None:
        if low >= high:
            raise ConfigError(f"preprocessing.clip.low must be below preprocessing.clip.high, got {low} and {high}")
        self.method = method
        self.low = low
        self.high = high
        self.k = k

    def fit(self, inputs: np.ndarray, targets: np.ndarray, spec: TaskSpec) -> dict[str, np.ndarray]:
        """Return low and high [D]; infinite where there is no bound."""
        require_layout("clip", spec, "table")
        levels = (self.low, self.high) if self.method == "quantile" else (0.25, 0.75)
        low, high = feature_quantiles(inputs, spec, levels)
        free = np.array([_has_two_values(column) for column in inputs.T]) | np.isnan(low)
        if self.method == "iqr":
            free |= (low == high) | ~np.isfinite(low) | ~np.isfinite(high)
            span = np.where(free, 0.0, high) - np.where(free, 0.0, low)
            low, high = low - self.k * span, high + self.k * span
        free[np.setdiff1d(np.arange(len(free)), number_columns(spec))] = True
        return {"low": np.where(free, -np.inf, low), "high": np.where(free, np.inf, high)}

    def apply(self, inputs: np.ndarray, statistics: Mapping[str, np.ndarray]) -> np.ndarray:
        """Clip inputs [N, D]; return float32 of the same shape."""
        low, high = (statistics[name].astype(np.float32) for name in ("low", "high"))
        clipped: np.ndarray = np.clip(inputs, low, high, dtype=np.float32)
        return clipped


def _has_two_values(column: np.ndarray) -> bool:
    low, high = np.fmin.reduce(column), np.fmax.reduce(column)
    return bool(((column == low) | (column == high) | np.isnan(column)).all())
