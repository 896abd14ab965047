"""Zero mean and unit variance."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from dlx.core.pixels import as_floats
from dlx.core.types import TaskSpec


class Standardize:
    """(x - mean) / standard deviation, both of the train rows: per column of a table, per channel of an image.

    A constant column or channel is only centred. The standard deviation divides by N.
    """

    def fit(self, inputs: np.ndarray, targets: np.ndarray, spec: TaskSpec) -> dict[str, np.ndarray]:
        """Return mean and scale, each of the shape of one input with the axes of an image's pixels reduced to 1."""
        axes = (0, 2, 3) if spec.layout == "image" else (0,)
        values = as_floats(inputs).astype(np.float64)
        mean = values.mean(axis=axes, keepdims=True)[0]
        deviation = values.std(axis=axes, keepdims=True)[0]
        # Rounding leaves a constant column a deviation of about 1e-16 of its size; dividing by that would be noise.
        constant = deviation <= 10 * np.finfo(np.float64).eps * np.abs(mean)
        return {"mean": mean, "scale": np.where(constant, 1.0, deviation)}

    def apply(self, inputs: np.ndarray, statistics: Mapping[str, np.ndarray]) -> np.ndarray:
        """Transform inputs [N, ...] to float32 of the same shape."""
        scaled: np.ndarray = ((as_floats(inputs) - statistics["mean"]) / statistics["scale"]).astype(np.float32)
        return scaled
