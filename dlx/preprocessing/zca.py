"""Features without correlation that still look like the inputs.

N rows, D features: columns of a table, or all pixels of an image.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from dlx.core.blocks import reblocked
from dlx.core.errors import ConfigError
from dlx.core.features import flat, require_numbers, require_present
from dlx.core.pixels import as_floats
from dlx.core.ranges import Positive
from dlx.core.types import TaskSpec

MOST_FEATURES = 4096


class Zca:
    """(x - mean) W with the symmetric W = V (Λ + ε)^(-1/2) Vᵀ of the covariance V Λ Vᵀ of the train rows.

    Zero-phase component analysis (Bell and Sejnowski 1997): whitening that moves inputs the least. Images stay images.

    Args:
        epsilon: ε as a share of the mean variance of a feature; the larger, the less noise is amplified.
    """

    def __init__(self, epsilon: Positive) -> None:
        self.epsilon = epsilon

    def fit(self, inputs: np.ndarray, targets: np.ndarray, spec: TaskSpec) -> dict[str, np.ndarray]:
        """Return mean [D] and matrix [D, D].

        Raises:
            ConfigError: another layout, categories, missing values, or more than 4096 features.
        """
        self.spec_after(spec, None)
        require_present("zca", inputs, spec)
        mean = sum(flat(as_floats(block)).sum(axis=0, dtype=np.float64) for block in reblocked([inputs])) / len(inputs)
        covariance = np.zeros((len(mean), len(mean)))
        for block in reblocked([inputs]):
            centred = flat(as_floats(block)) - mean
            covariance += centred.T @ centred / len(inputs)
        return {"mean": mean, "matrix": self._whitening(covariance)}

    def apply(self, inputs: np.ndarray, statistics: Mapping[str, np.ndarray]) -> np.ndarray:
        """Transform inputs [N, ...] to float32 of the same shape; equal rows are equal to rounding."""
        mean, matrix = statistics["mean"], statistics["matrix"]
        if matrix.shape != (*mean.shape, *mean.shape):
            raise ValueError(f"matrix {matrix.shape}, mean {mean.shape}")
        whitened: np.ndarray = ((flat(as_floats(inputs)) - mean) @ matrix).astype(np.float32)
        return whitened.reshape(inputs.shape)

    def spec_after(self, spec: TaskSpec, statistics: Mapping[str, np.ndarray] | None) -> TaskSpec:
        """Return the spec as it is, where so many features can be whitened."""
        require_numbers("zca", spec, "image", "table")
        features = int(np.prod(spec.input_shape))
        if features > MOST_FEATURES:
            raise ConfigError(f"preprocessing=zca is for at most {MOST_FEATURES} features, since it keeps the square "
                              f"of their number, and these are {features}: put resize or grayscale before it")
        return spec

    def _whitening(self, covariance: np.ndarray) -> np.ndarray:
        mean_variance = np.trace(covariance) / len(covariance)
        if mean_variance == 0:
            return np.eye(len(covariance))
        variances, directions = np.linalg.eigh(covariance)
        scaled = directions / np.sqrt(np.maximum(variances, 0) + self.epsilon * mean_variance)
        matrix: np.ndarray = scaled @ directions.T
        return matrix
