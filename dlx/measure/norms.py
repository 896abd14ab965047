"""Measures of a whole network from the norms of its layers. L layers, W their weights, W0 the initial ones, γ a margin.

Sources: Bartlett, Foster and Telgarsky, Spectrally-normalized margin bounds for neural networks, 2017; Jiang,
Neyshabur, Mobahi, Krishnan and Bengio, Fantastic generalization measures and where to find them, 2019, appendix C.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Network(NamedTuple):
    """Norms of layers, each [L]: ‖W‖_F, ‖W‖₂, ‖W - W0‖_F and ‖(W - W0)ᵀ‖₂,₁, the sum of the norms of its rows."""

    frobenius: NDArray[np.float64]
    spectral: NDArray[np.float64]
    distance: NDArray[np.float64]
    rows: NDArray[np.float64]


def log_product(norms: Sequence[float] | NDArray[np.float64]) -> float:
    """Return ln Π norm², -inf where one is 0."""
    values = np.asarray(norms, np.float64)
    return -math.inf if (values == 0).any() else float(2 * np.log(values).sum())


def frobenius_over_spectral(network: Network) -> float:
    """Return Σ ‖W‖_F² / ‖W‖₂²; infinite where a layer is 0."""
    if (network.spectral == 0).any():
        return math.inf
    return float((network.frobenius**2 / network.spectral**2).sum())


def spectral_complexity(network: Network, gamma: float) -> float:
    """Return ln Π‖W‖₂² - 2 ln γ + ln Σ ‖W - W0‖_F² / ‖W‖₂² (Jiang et al. 2019, spec-init).

    Args:
        gamma: above 0.
    """
    moved = float((network.distance**2 / network.spectral**2).sum())
    return log_product(network.spectral) - 2 * math.log(gamma) + (math.log(moved) if moved > 0 else -math.inf)


def log_bartlett_complexity(network: Network) -> float:
    """Return ln of Π‖W‖₂ · (Σ (‖(W - W0)ᵀ‖₂,₁ / ‖W‖₂)^⅔)^(3/2) (Bartlett et al. 2017, equation 1.2, with Lipschitz
    constants 1)."""
    moved = float(((network.rows / network.spectral) ** (2 / 3)).sum())
    return log_product(network.spectral) / 2 + (1.5 * math.log(moved) if moved > 0 else -math.inf)


def per_example(measure: float, num_examples: int) -> float:
    """Return √(μ / m), as Jiang et al. 2019 compare measures μ of runs with m train examples."""
    return math.sqrt(measure / num_examples)


def log_per_example(measure: float, num_examples: int) -> float:
    """Return ½ (ln μ - ln m), the logarithm of the same."""
    return 0.5 * (measure - math.log(num_examples))
