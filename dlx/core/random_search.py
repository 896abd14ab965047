"""Points drawn at random, each coordinate from a stream of its own."""

from __future__ import annotations

import math
from collections.abc import Sequence

from dlx.core.random import numpy_generator
from dlx.core.search import Axis, Position


def draw_point(axes: Sequence[Axis], seed: int, number: int) -> Position:
    """Draw point `number` of the stream of a seed. An axis more or less moves no other coordinate."""
    return tuple(_draw(axis, seed, number) for axis in axes)


def _draw(axis: Axis, seed: int, number: int) -> int | float:
    generator = numpy_generator(seed, f"search {axis.key}", number)
    if not axis.is_interval:
        return int(generator.integers(len(axis.values)))
    whole = isinstance(axis.low, int)
    if whole and not axis.log:
        return int(generator.integers(int(axis.low), int(axis.high) + 1))
    # Whole numbers of a logarithm: each owns what rounds to it, so that the ends weigh as much as others.
    low, high = (axis.low - 0.5, axis.high + 0.5) if whole else (axis.low, axis.high)
    if axis.log:
        low, high = math.log(low), math.log(high)
    value = float(generator.uniform(low, high))
    value = math.exp(value) if axis.log else value
    inside = min(max(round(value) if whole else value, axis.low), axis.high)
    return int(inside) if whole else inside
