"""Preprocessing as a map that an attack can go through: x · scale + shift, value by value."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

TOLERANCE = 1e-4


class Affine(NamedTuple):
    """scale and shift, each of the shape of one input."""

    scale: np.ndarray
    shift: np.ndarray


def affine_of(apply: Callable[[np.ndarray], np.ndarray], rows: np.ndarray) -> Affine | None:
    """Find the map that takes rows [N, ...] to apply(rows), each value for itself; None where it is none such.

    It is told from what becomes of zeros and ones, and then compared on the rows.

    Args:
        rows: floats, as a dataset gives them.
    """
    zeros, ones = np.zeros_like(rows[:1]), np.ones_like(rows[:1])
    at_zero, at_one = (apply(own)[0].astype(np.float64) for own in (zeros, ones))
    if at_zero.shape != rows.shape[1:]:
        return None
    found, expected = apply(rows).astype(np.float64), rows * (at_one - at_zero) + at_zero
    size = max(1.0, float(np.abs(found).max()))
    is_same = bool(np.isfinite(found).all()) and float(np.abs(found - expected).max()) <= TOLERANCE * size
    return Affine(at_one - at_zero, at_zero) if is_same else None
