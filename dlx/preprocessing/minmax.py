"""Scaling to [0, 1]."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from dlx.core.blocks import reblocked
from dlx.core.features import axes, require_numbers, rescaled, scaling, values_of
from dlx.core.types import TaskSpec


class Minmax:
    """(x - min) / (max - min), both of the train rows: per column of a table, per channel of an image.

    Of a series too per channel, over the positions before its end. A constant column or channel becomes 0. Rows outside
    the range of train fall outside [0, 1]; they are not clipped. Missing values stay missing.
    """

    def fit(self, inputs: np.ndarray, targets: np.ndarray, spec: TaskSpec) -> dict[str, np.ndarray]:
        """Return low and scale, each of the shape of one input with axes of pixels or positions reduced to 1.

        Raises:
            ConfigError: columns with categories; a column or channel without a finite range.
        """
        return self.fit_blocks([inputs], spec)

    def fit_blocks(self, blocks: Iterable[np.ndarray], spec: TaskSpec) -> dict[str, np.ndarray]:
        """Return the same of rows that come block by block."""
        require_numbers("minmax", spec)
        lows, highs = [], []
        for block in reblocked(blocks):
            values = values_of(block, spec)
            # These two take NaN for no value, where another is.
            lows.append(np.fmin.reduce(values, axis=axes(spec), keepdims=True)[0])
            highs.append(np.fmax.reduce(values, axis=axes(spec), keepdims=True)[0])
        # Adding 0 makes 0 of -0: which of them is the smaller depends on their order.
        low = np.fmin.reduce(lows) + 0.0
        with np.errstate(invalid="ignore"):
            span = np.fmax.reduce(highs) - low
        return scaling("minmax", spec, low, np.where(span == 0, 1.0, span), shift_name="low")

    def apply(self, inputs: np.ndarray, statistics: Mapping[str, np.ndarray]) -> np.ndarray:
        """Transform inputs [N, ...] to float32 of the same shape."""
        return rescaled(inputs, statistics["low"], statistics["scale"])
