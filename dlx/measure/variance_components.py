"""Where variance comes from: components of crossed random factors. P configurations, L1 … LK levels of K factors."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


class Component(NamedTuple):
    """A part of the variance.

    factors: whose effect it is, several for their interaction; variance: estimated without bias, so that it may be
    negative; mean_square, degrees: what it is estimated from.
    """

    factors: tuple[int, ...]
    variance: float
    mean_square: float
    degrees: int


def variance_components(values: Array) -> list[Component]:
    """Return the components of every factor and interaction of a crossed random-effects model, one value a cell.

    y = μ_p + Σ_T e_T over non-empty sets T of factors, independent with mean 0 and variance σ_T². Mean squares are
    pooled over configurations, and E MS_T = Σ_{U ⊇ T} σ_U² Π_{l not in U} L_l is solved for σ_T² (method of moments,
    Searle, Casella and McCulloch 1992, ch. 4): σ_T² = Σ_{U ⊇ T} (-1)^{|U| - |T|} MS_U / Π_{l not in T} L_l. The
    last, of all factors together, is the rest: it holds whatever else there is.

    Args:
        values: [P, L1, …, LK], each L 2 or more.
    """
    levels = values.shape[1:]
    sets = [own for size in range(1, len(levels) + 1) for own in combinations(range(len(levels)), size)]
    degrees = {own: values.shape[0] * math.prod(levels[factor] - 1 for factor in own) for own in sets}
    squares = {own: _mean_square(values, own) / degrees[own] for own in sets}
    found = []
    for own in sets:
        above = [other for other in sets if {*own} <= {*other}]
        signed = sum((-1) ** (len(other) - len(own)) * squares[other] for other in above)
        cells = math.prod(size for factor, size in enumerate(levels) if factor not in own)
        found.append(Component(own, signed / cells, squares[own], degrees[own]))
    return found


def _mean_square(values: Array, factors: Sequence[int]) -> float:
    """Return the sum of squares of an effect, over all cells."""
    kept = tuple(factor + 1 for factor in factors)
    effect = values.mean(axis=tuple(axis for axis in range(1, values.ndim) if axis not in kept), keepdims=True)
    for axis in kept:
        effect = effect - effect.mean(axis=axis, keepdims=True)
    return float((effect**2).sum() * (values[0].size / effect[0].size))


def pooled_sd(groups: Sequence[Array]) -> tuple[float, int]:
    """Return √(Σ squares / Σ degrees) of groups around their means, and the degrees; nan without two in a group."""
    degrees = sum(len(group) - 1 for group in groups if len(group) > 1)
    if not degrees:
        return math.nan, 0
    return math.sqrt(sum(float(((group - group.mean()) ** 2).sum()) for group in groups) / degrees), degrees
