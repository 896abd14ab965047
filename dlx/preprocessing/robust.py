"""Zero median and an interquartile range of one."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from dlx.core.features import feature_quantiles, require_numbers, rescaled, scaling
from dlx.core.types import TaskSpec


class Robust:
    """(x - median) / interquartile range, both of the train rows, which outliers hardly move.

    Per column of a table, per channel of an image or of a series, over the positions before its end. Where half of the
    values and more are one value the range is 0: then they are only centred. Missing values stay missing.
    """

    def fit(self, inputs: np.ndarray, targets: np.ndarray, spec: TaskSpec) -> dict[str, np.ndarray]:
        """Return median and scale, each of the shape of one input with axes of pixels or positions reduced to 1.

        Raises:
            ConfigError: columns with categories; a column or channel without a finite median.
        """
        require_numbers("robust", spec)
        low, median, high = feature_quantiles(inputs, spec, (0.25, 0.5, 0.75))
        with np.errstate(invalid="ignore"):
            span = high - low
        constant = span <= 10 * np.finfo(np.float64).eps * np.abs(median)
        return scaling("robust", spec, median, np.where(constant, 1.0, span), shift_name="median")

    def apply(self, inputs: np.ndarray, statistics: Mapping[str, np.ndarray]) -> np.ndarray:
        """Transform inputs [N, ...] to float32 of the same shape."""
        return rescaled(inputs, statistics["median"], statistics["scale"])
