"""Whether the order of rows says something about their targets. N rows, C classes."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from dlx.core.types import IGNORED, Kind


class Order(NamedTuple):
    """The order of rows in the dataset, against targets.

    equal_neighbours: the share of rows whose next row has the same class, or lies on the same side of the median;
    expected: of that in a random order; p_value: of the difference, two-sided; adjusted: by Holm with other tests; auc:
    how well the row number tells two classes, or two sides of the median, apart: of several classes the largest of each
    against the rest.
    """

    equal_neighbours: float
    expected: float
    p_value: float
    adjusted: float
    auc: float


def order(targets: np.ndarray, kind: Kind) -> Order | None:
    """Test the order of rows; None where all targets are equal.

    The number of equal neighbours of a random order is close to normal, with mean Σ n_c (n_c - 1) / N and the variance
    of the multi-class runs test (Mood 1940, Annals of Mathematical Statistics 11).

    Args:
        targets: [N], in the order of the dataset; rows of which nothing is asked, IGNORED, do not count.
    """
    labels = (targets > np.median(targets)).astype(np.int64) if kind == "regression" else targets[targets != IGNORED]
    counts = np.unique(labels, return_counts=True)[1].astype(np.float64)
    num_rows = len(labels)
    if len(counts) < 2 or num_rows < 3:
        return None
    squares, cubes = (counts**2).sum(), (counts**3).sum()
    expected = (counts * (counts - 1)).sum() / num_rows
    variance = (squares * (squares + num_rows * (num_rows + 1)) - 2 * num_rows * cubes - num_rows**3) / (
        num_rows**2 * (num_rows - 1))
    equal = float(np.count_nonzero(labels[1:] == labels[:-1]))
    p_value = _two_sided(equal - expected, variance)
    return Order(equal / (num_rows - 1), expected / (num_rows - 1), p_value, p_value, _auc_of_position(labels))


def _two_sided(difference: float, variance: float) -> float:
    if variance <= 0:
        return 1.0
    return math.erfc(abs(difference) / math.sqrt(2 * variance))


def _auc_of_position(labels: np.ndarray) -> float:
    """Return the largest, over classes, area under the curve of the row number for the class against the rest."""
    classes, codes, counts = np.unique(labels, return_inverse=True, return_counts=True)
    ranks = np.bincount(codes, weights=np.arange(1, len(labels) + 1), minlength=len(classes))
    areas = (ranks - counts * (counts + 1) / 2) / (counts * (len(labels) - counts))
    return float(np.maximum(areas, 1 - areas).max())
