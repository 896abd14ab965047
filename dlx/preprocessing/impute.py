"""Missing values become values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Literal

import numpy as np

from dlx.core.categories import free_name
from dlx.core.errors import ConfigError
from dlx.core.features import category_columns, column_name, require_layout, require_width
from dlx.core.ranges import Range
from dlx.core.types import Column, TaskSpec

Real = Annotated[float, Range("(-inf, inf)")]


class Impute:
    """Fills missing values with what is usual in train.

    Args:
        numbers: of a column of numbers, the "mean" or "median" of train, or a "constant": fill_value.
        fill_value: the constant.
        categories: of a column with categories, the "most_frequent" of train, or "missing": a category of its own,
            the first of its column.
        indicators: adds a column of zeros and ones, called after the column with the word missing, for each column that
            has missing values in train.
    """

    def __init__(self, numbers: Literal["mean", "median", "constant"], fill_value: Real,
                 categories: Literal["most_frequent", "missing"], indicators: bool) -> None:
        self.numbers = numbers
        self.fill_value = fill_value
        self.categories = categories
        self.indicators = indicators

    def fit(self, inputs: np.ndarray, targets: np.ndarray, spec: TaskSpec) -> dict[str, np.ndarray]:
        """Return what missing values become.

        Returns:
            fill [D]; shift [D], what is added to values that are there: 1 where codes make room for a category of their
            own; indicators, the columns that get one.

        Raises:
            ConfigError: a column without a value in train.
        """
        require_layout("impute", spec, "table")
        coded = set(category_columns(spec).tolist())
        fill = [self._usual_category(inputs, spec, index) if index in coded else self._usual_number(inputs, spec, index)
                for index in range(inputs.shape[1])]
        shift = np.zeros(inputs.shape[1])
        shift[sorted(coded)] = self.categories == "missing"
        lacking = np.array([self.indicators and bool(np.isnan(column).any()) for column in inputs.T])
        return {"fill": np.array(fill, np.float64), "shift": shift, "indicators": np.flatnonzero(lacking)}

    def apply(self, inputs: np.ndarray, statistics: Mapping[str, np.ndarray]) -> np.ndarray:
        """Fill inputs [N, D]; return float32 [N, D + indicators]."""
        fill, shift, indicators = (statistics[name] for name in ("fill", "shift", "indicators"))
        require_width(inputs, np.array([len(fill)]))
        missing = np.isnan(inputs)
        filled = np.where(missing, fill, inputs + shift)
        return np.concatenate([filled, missing[:, indicators]], axis=1, dtype=np.float32)

    def spec_after(self, spec: TaskSpec, statistics: Mapping[str, np.ndarray] | None) -> TaskSpec | None:
        """Return the spec with the categories and columns that are new; None before it is known which columns are."""
        require_layout("impute", spec, "table")
        if statistics is None and self.indicators:
            return None
        columns = list(spec.columns)
        for index in category_columns(spec) if self.categories == "missing" else ():
            known = columns[index].categories
            columns[index] = columns[index]._replace(categories=(free_name("missing", known), *known))
        new = [] if statistics is None else statistics["indicators"].tolist()
        columns += [Column(f"{column.name} missing") for column in (spec.columns[index] for index in new)
                    ] if spec.columns else []
        return replace(spec, input_shape=(spec.input_shape[0] + len(new),), columns=tuple(columns))

    def _usual_number(self, inputs: np.ndarray, spec: TaskSpec, index: int) -> float:
        if self.numbers == "constant":
            return self.fill_value
        values = inputs[:, index]
        present = values[~np.isnan(values)].astype(np.float64)
        if not len(present):
            raise ConfigError(f"preprocessing=impute knows no {self.numbers} of column {column_name(spec, index)}, "
                              f"which has no value in train: leave it out of the data, or set "
                              f"preprocessing.impute.numbers=constant")
        return float(present.mean() if self.numbers == "mean" else np.median(present))

    def _usual_category(self, inputs: np.ndarray, spec: TaskSpec, index: int) -> float:
        if self.categories == "missing":
            return 0.0
        values = inputs[:, index]
        rows = np.bincount(values[~np.isnan(values)].astype(np.int64))
        if not len(rows):
            raise ConfigError(f"preprocessing=impute knows no most frequent category of column "
                              f"{column_name(spec, index)}, which has no value in train: leave it out of the data, or "
                              f"set preprocessing.impute.categories=missing")
        return float(rows.argmax())
