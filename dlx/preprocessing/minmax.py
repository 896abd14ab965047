"""Scaling to [0, 1]."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from dlx.core.pixels import as_floats
from dlx.core.types import TaskSpec


class Minmax:
    """(x - min) / (max - min), both of the train rows: per column of a table, per channel of an image.

    A constant column or channel becomes 0. Rows outside the range of train fall outside [0, 1]; they are not clipped.
    """

    def fit(self, inputs: np.ndarray, targets: np.ndarray, spec: TaskSpec) -> dict[str, np.ndarray]:
        """Return low and scale, each of the shape of one input with the axes of an image's pixels reduced to 1."""
        axes = (0, 2, 3) if spec.layout == "image" else (0,)
        values = as_floats(inputs)
        low = values.min(axis=axes, keepdims=True)[0].astype(np.float64)
        span = values.max(axis=axes, keepdims=True)[0].astype(np.float64) - low
        return {"low": low, "scale": np.where(span == 0, 1.0, span)}

    def apply(self, inputs: np.ndarray, statistics: Mapping[str, np.ndarray]) -> np.ndarray:
        """Transform inputs [N, ...] to float32 of the same shape."""
        scaled: np.ndarray = ((as_floats(inputs) - statistics["low"]) / statistics["scale"]).astype(np.float32)
        return scaled
