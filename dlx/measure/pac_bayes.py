"""How much noise in its weights a classifier bears, and what PAC-Bayes makes of it."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple


class Noise(NamedTuple):
    """The noise at which the mean accuracy has fallen as far as is allowed.

    sigma: None where even the greatest noise costs less; drop: of accuracy at it; num_looks: at how many noises.
    """

    sigma: float | None
    drop: float
    num_looks: int


def bearable_noise(accuracy: Callable[[float], float], clean: float, allowed: float, most: float, num_steps: int,
                   tolerance: float) -> Noise:
    """Halve [0, most] until the accuracy at sigma is `allowed` below that without noise, up to the tolerance.

    Jiang, Neyshabur, Mobahi, Krishnan and Bengio, Fantastic generalization measures, 2020, appendix C, where the same
    draws serve every sigma, so that chance does not lead the search astray.

    Args:
        accuracy: of a sigma, the mean over draws.
        clean: without noise.
        num_steps: halvings at most.
        tolerance: of the drop.
    """
    drop = clean - accuracy(most)
    if drop < allowed - tolerance:
        return Noise(None, drop, 1)
    low, high, number = 0.0, most, 0
    sigma = most
    while abs(drop - allowed) > tolerance and number < num_steps:
        sigma, number = (low + high) / 2, number + 1
        drop = clean - accuracy(sigma)
        low, high = (low, sigma) if drop > allowed else (sigma, high)
    return Noise(sigma, drop, number + 1)


def complexity(squared_distance: float, sigma: float, num_examples: int) -> float:
    """Return ‖w − w₀‖² / (4σ²) + ln(m / σ) + 10 of m train examples (Jiang et al. 2020, PAC-Bayes with origin w₀)."""
    return squared_distance / (4 * sigma**2) + math.log(num_examples / sigma) + 10
