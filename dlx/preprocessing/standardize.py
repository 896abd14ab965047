"""Zero mean and unit variance."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple, Self

import numpy as np

from dlx.core.blocks import reblocked
from dlx.core.features import axes, require_numbers, rescaled, scaling, values_of
from dlx.core.types import TaskSpec


class Moments(NamedTuple):
    """How many values a feature has that are not missing, their mean, and their variance, which divides by N."""

    counts: np.ndarray
    mean: np.ndarray
    variance: np.ndarray

    @classmethod
    def of(cls, values: np.ndarray, over: tuple[int, ...]) -> Self:
        """Measure float64 values, which may be NaN where they are missing, over some axes, the first among them."""
        count, mean, variance = _present(values, over) if np.isnan(values.min()) else _all(values, over)
        # The rounding of the sum of a constant would be its deviation, and dividing by that would make it noise.
        if (variance <= (1e-6 * mean) ** 2).any():
            low, high = (reduce(values, axis=over, keepdims=True)[0] for reduce in (np.fmin.reduce, np.fmax.reduce))
            mean, variance = np.where(low == high, low, mean), np.where(low == high, 0.0, variance)
        return cls(count, mean, variance)

    def merged(self, other: Self) -> Self:
        """Join with the moments of further values: Chan, Golub and LeVeque 1983, equation 2.1."""
        counts = self.counts + other.counts
        share = other.counts / np.maximum(counts, 1)
        step = other.mean - self.mean
        variance = self.variance * (1 - share) + other.variance * share + step**2 * share * (1 - share)
        return type(self)(counts, self.mean + step * share, variance)


class Standardize:
    """(x - mean) / standard deviation, both of the train rows: per column of a table, per channel of an image.

    Of a series too per channel, over the positions before its end. A constant column or channel is only centred. The
    standard deviation divides by N. Missing values are left out of both and stay missing.
    """

    def fit(self, inputs: np.ndarray, targets: np.ndarray, spec: TaskSpec) -> dict[str, np.ndarray]:
        """Return mean and scale, each of the shape of one input with axes of pixels or positions reduced to 1.

        Raises:
            ConfigError: columns with categories; a column or channel without a finite mean.
        """
        return self.fit_blocks([inputs], spec)

    def fit_blocks(self, blocks: Iterable[np.ndarray], spec: TaskSpec) -> dict[str, np.ndarray]:
        """Return the same of rows that come block by block."""
        require_numbers("standardize", spec)
        moments: Moments | None = None
        for block in reblocked(blocks):
            with np.errstate(invalid="ignore"):
                new = Moments.of(values_of(block, spec), axes(spec))
            moments = new if moments is None else moments.merged(new)
        assert moments is not None, "train has rows"
        deviation = np.sqrt(moments.variance)
        # Rounding leaves a constant column a deviation of about 1e-16 of its size; dividing by that would be noise.
        constant = deviation <= 10 * np.finfo(np.float64).eps * np.abs(moments.mean)
        mean = np.where(moments.counts > 0, moments.mean, np.nan)
        return scaling("standardize", spec, mean, np.where(constant, 1.0, deviation), shift_name="mean")

    def apply(self, inputs: np.ndarray, statistics: Mapping[str, np.ndarray]) -> np.ndarray:
        """Transform inputs [N, ...] to float32 of the same shape."""
        return rescaled(inputs, statistics["mean"], statistics["scale"])


def _all(values: np.ndarray, over: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    mean = values.mean(axis=over, keepdims=True)
    count = np.full_like(mean[0], values.size // max(1, mean.size))
    return count, mean[0], values.var(axis=over, keepdims=True, mean=mean)[0]


def _present(values: np.ndarray, over: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    present = ~np.isnan(values)
    count = present.sum(axis=over, keepdims=True, dtype=np.float64)
    mean = values.sum(axis=over, keepdims=True, where=present) / np.maximum(count, 1)
    variance = ((values - mean) ** 2).sum(axis=over, keepdims=True, where=present) / np.maximum(count, 1)
    return count[0], mean[0], variance[0]
