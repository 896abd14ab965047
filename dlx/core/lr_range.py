"""What a learning-rate range test says: pure functions of the loss at each rate. N steps.

The learning rate grows by the same factor at every step, so that steps are evenly spaced in log10 lr.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

# Standard deviation of the weights that smooth the loss, in powers of ten of the learning rate.
SMOOTHING = 0.2
# The loss explodes where it is so many times its minimum, and above where it began.
EXPLOSION = 4.0
MIN_STEPS = 3


class Curve(NamedTuple):
    """lrs [N], ascending; losses [N], of one batch each, before the update at that rate."""

    lrs: np.ndarray
    losses: np.ndarray

    def smoothed(self) -> np.ndarray:
        """Return the loss averaged over neighbouring steps, with Gaussian weights over log10 lr, [N]."""
        places = np.log10(self.lrs)
        weights = np.exp(-0.5 * ((places[:, None] - places) / SMOOTHING) ** 2)
        return np.asarray(weights @ self.losses / weights.sum(axis=1))

    def has_exploded(self) -> bool:
        """Say whether the smoothed loss ends above its beginning and above EXPLOSION times its minimum."""
        smooth = self.smoothed()
        return bool(smooth[-1] > smooth[0] and smooth[-1] > EXPLOSION * smooth.min())


class Suggestion(NamedTuple):
    """Learning rates to begin with.

    steepest: where the smoothed loss falls fastest per log10 lr, before its minimum; below_minimum: a tenth of the rate
    at the minimum of the smoothed loss.
    """

    steepest: float
    below_minimum: float


def suggest(curve: Curve) -> Suggestion | None:
    """Read learning rates from a curve (Smith 2017, Cyclical learning rates for training neural networks, section 3.3).

    Returns:
        None where the smoothed loss nowhere falls below its beginning, or there are fewer than MIN_STEPS steps.
    """
    if len(curve.lrs) < MIN_STEPS:
        return None
    smooth = curve.smoothed()
    lowest = int(smooth.argmin())
    if lowest == 0:
        return None
    slopes = np.gradient(smooth, np.log10(curve.lrs))[: lowest + 1]
    return Suggestion(float(curve.lrs[slopes.argmin()]), float(curve.lrs[lowest]) / 10)
