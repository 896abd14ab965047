"""Means over seeds with their intervals, differences over the same seeds, and how many seeds would decide."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dlx.core.overlap import Overlap, mean_interval
from dlx.report import words

LEVEL = 0.95
POWER = 0.8
MAX_SEEDS = 200

Array = NDArray[np.float64]


class Estimate(NamedTuple):
    """A mean with its interval: value is None without data, low and high are None with fewer than two values."""

    value: float | None
    low: float | None
    high: float | None
    n: int

    @property
    def has_interval(self) -> bool:
        """Say whether there is an interval."""
        return self.low is not None

    def includes(self, value: float) -> bool:
        """Say whether the interval holds a value; without an interval nothing is said."""
        return self.low is not None and self.high is not None and self.low <= value <= self.high

    def written(self, metric: str) -> str:
        """Write the mean and the interval of a metric."""
        return words.interval(metric, self.value, self.low, self.high)

    def difference(self, metric: str) -> str:
        """Write the mean and the interval of a difference or gap, with its sign."""
        return words.difference(metric, self.value, self.low, self.high)


NOTHING = Estimate(None, None, None, 0)


def estimate(values: Array, split: str = "val", overlap: Overlap | None = None) -> Estimate:
    """Return mean and 95% interval of the finite values; see `dlx.core.overlap.mean_interval`."""
    known = values[np.isfinite(values)]
    if known.size == 0:
        return NOTHING
    mean, interval = mean_interval(values, split, LEVEL, overlap)
    if not math.isfinite(interval.low):
        return Estimate(mean, None, None, interval.n)
    return Estimate(mean, interval.low, interval.high, interval.n)


def num_seeds_to_decide(mean: float, sd: float) -> int | None:
    """Return the number of pairs with which a paired t test finds a difference; None for more than 200.

    Two-sided at 5%, with a power of 80%: the smallest n for which the noncentral t distribution with n − 1 degrees of
    freedom and noncentrality √n mean/sd lies outside of the critical values with that probability (Cohen 1988, 2.3).

    Args:
        mean: the difference to be found, as large as it was seen.
        sd: standard deviation of the paired differences.
    """
    if mean == 0:
        return None
    if sd == 0:
        return 2
    return next((n for n in range(2, MAX_SEEDS + 1) if paired_power(abs(mean) / sd, n) >= POWER), None)


def paired_power(effect: float, num_pairs: int) -> float:
    """Return the power of the two-sided paired t test at 5%, for an effect in standard deviations of the difference."""
    from scipy.special import nctdtr, stdtrit

    degrees = num_pairs - 1
    critical = float(stdtrit(degrees, (1 + LEVEL) / 2))
    shift = effect * math.sqrt(num_pairs)
    below = [float(nctdtr(degrees, shift, bound)) for bound in (critical, -critical)]
    return 1 - below[0] + below[1]
