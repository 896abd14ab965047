"""Margins of a classification. N examples, C classes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

# Levels of the quantiles that are told.
LEVELS = (0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0)
# The share of examples with the smallest margins whose largest one stands for all.
SHARE = 10


def margins(logits: NDArray[np.float64], targets: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return z_y - max_{j≠y} z_j of every example [N]: negative where another class is preferred.

    Args:
        logits: z [N, C], C at least 2; logarithms of probabilities give the same.
        targets: y [N].
    """
    rows = np.arange(len(logits))
    others = logits.copy()
    others[rows, targets] = -np.inf
    found: NDArray[np.float64] = logits[rows, targets] - others.max(axis=1)
    return found


def quantile(values: NDArray[np.float64], level: float) -> float:
    """Return the value at index round(level · (N - 1)) of the sorted values [N], half up: one that is there."""
    return float(np.sort(values)[int(np.floor(level * (len(values) - 1) + 0.5))])


def tenth_percentile(values: NDArray[np.float64]) -> float:
    """Return γ, the k-th smallest value of N, k = ⌊N / 10⌋ and at least 1 (Jiang et al. 2019, kthvalue(m // 10))."""
    return float(np.sort(values)[max(1, len(values) // SHARE) - 1])


def histogram(values: dict[str, NDArray[np.float64]], num_bins: int) -> tuple[list[float], dict[str, list[int]]]:
    """Count values of splits in equal bins [low, high), the last one closed, from the smallest value to the largest.

    Returns:
        Edges [num_bins + 1], and counts [num_bins] by split.
    """
    every = np.concatenate(list(values.values()))
    edges = np.histogram_bin_edges(every, num_bins)
    return edges.tolist(), {split: np.histogram(own, edges)[0].tolist() for split, own in values.items()}
