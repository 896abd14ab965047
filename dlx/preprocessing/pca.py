"""Principal components, with or without unit variance.

N rows, D features: columns of a table, or all pixels of an image; K components.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any

import numpy as np

from dlx.core.errors import ConfigError
from dlx.core.features import flat, require_numbers, require_present
from dlx.core.pixels import as_floats
from dlx.core.ranges import Range
from dlx.core.types import Column, TaskSpec

Components = Annotated[int, Range("[1, inf)")] | Annotated[float, Range("(0, 1)")]
# Of the largest deviation: what is smaller the inputs' float32 cannot tell from rounding.
SMALLEST_DEVIATION = 1e-7


class Pca:
    """The directions in which the train rows vary most: a table of K columns, pc1, pc2 …, of falling variance.

    scikit-learn's PCA. Of each direction the sign is such that its largest entry is positive. Images become a table.

    Args:
        num_components: how many, at least 1; or in (0, 1), as many as explain that share of the variance of train.
    """

    name = "pca"

    def __init__(self, num_components: Components) -> None:
        self.num_components = num_components

    def fit(self, inputs: np.ndarray, targets: np.ndarray, spec: TaskSpec) -> dict[str, np.ndarray]:
        """Return mean [D], components [K, D] and scale [K].

        Raises:
            ConfigError: another layout, categories or missing values; fewer rows or features than components.
        """
        self.spec_after(spec, None)
        require_present(self.name, inputs, spec)
        values = flat(as_floats(inputs)).astype(np.float64)
        most = min(values.shape)
        if self.num_components > most:
            raise ConfigError(f"preprocessing.{self.name}.num_components must be at most {most}, the smaller of train "
                              f"rows and features, got {self.num_components}")
        mean = values.mean(axis=0)
        components, deviations = self._directions(values)
        rounding = 10 * np.finfo(np.float64).eps * np.abs(mean).max()
        varies = deviations > max(rounding, SMALLEST_DEVIATION * deviations.max())
        return {"mean": mean, "components": components * varies[:, None],
                "scale": self._scale(np.where(varies, deviations, 1.0))}

    def apply(self, inputs: np.ndarray, statistics: Mapping[str, np.ndarray]) -> np.ndarray:
        """Transform inputs [N, ...] of D features to float32 [N, K]; equal rows are equal to rounding."""
        mean, components, scale = (statistics[name] for name in ("mean", "components", "scale"))
        if mean.shape != (components.shape[1],) or scale.shape != (components.shape[0],):
            raise ValueError(f"{components.shape} components, mean {mean.shape} and scale {scale.shape}")
        projected: np.ndarray = (flat(as_floats(inputs)) - mean) @ components.T / scale
        return projected.astype(np.float32)

    def spec_after(self, spec: TaskSpec, statistics: Mapping[str, np.ndarray] | None) -> TaskSpec | None:
        """Return the spec of a table of the components; None before it is known how many they are."""
        require_numbers(self.name, spec, "image", "table")
        if statistics is None and isinstance(self.num_components, float):
            return None
        count = int(self.num_components) if statistics is None else len(statistics["components"])
        columns = tuple(Column(f"pc{number}") for number in range(1, count + 1))
        return replace(spec, layout="table", input_shape=(count,), columns=columns)

    def _scale(self, deviations: np.ndarray) -> np.ndarray:
        return np.ones_like(deviations)

    def _directions(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        from sklearn.decomposition import PCA

        # Shares of a variance of 0 are no numbers, and their sum reaches no share that is asked for.
        if not np.ptp(values, axis=0).any():
            count = int(max(1, self.num_components))
            return np.eye(count, values.shape[1]), np.zeros(count)
        # The covariance is quicker where it is the smaller matrix, and loses digits that do not matter there.
        solver = "covariance_eigh" if 128 < values.shape[1] < len(values) else "full"
        fitted: Any = PCA(self.num_components, svd_solver=solver, copy=False).fit(values)
        # Rows divided by N, as standardize does, and not by N - 1.
        return fitted.components_, fitted.singular_values_ / np.sqrt(len(values))


class Whiten(Pca):
    """Principal components, each divided by its standard deviation on train; one that does not vary stays 0.

    Args:
        num_components: how many, at least 1; or in (0, 1), as many as explain that share of the variance of train.
    """

    name = "whiten"

    def _scale(self, deviations: np.ndarray) -> np.ndarray:
        return deviations
