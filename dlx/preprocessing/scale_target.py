"""Regression targets of zero mean and unit variance."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from dlx.core.errors import ConfigError
from dlx.core.types import TaskSpec


class ScaleTarget:
    """Trains on (target - mean) / standard deviation of the train targets; metrics stay in the target's own units.

    The loss is in scaled units. A constant target is only centred.
    """

    def fit(self, inputs: np.ndarray, targets: np.ndarray, spec: TaskSpec) -> dict[str, np.ndarray]:
        """Return shift and scale, each of shape [1]. Raises ConfigError on classification."""
        if spec.kind != "regression":
            raise ConfigError("preprocessing=scale_target needs a regression dataset: class labels have no scale")
        deviation = targets.std(dtype=np.float64)
        return {"shift": targets.mean(dtype=np.float64).reshape(1), "scale": np.array([deviation or 1.0])}

    def apply(self, inputs: np.ndarray, statistics: Mapping[str, np.ndarray]) -> np.ndarray:
        """Return the inputs unchanged."""
        return inputs

    def target_scale(self, statistics: Mapping[str, np.ndarray]) -> tuple[float, float]:
        """Return (shift, scale) of the target."""
        return float(statistics["shift"][0]), float(statistics["scale"][0])
