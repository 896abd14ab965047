"""Every combination of the values of all axes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import product

from dlx.core.errors import ConfigError
from dlx.core.random import numpy_generator
from dlx.core.ranges import Seed
from dlx.core.search import Axis, Direction, Directions, Objective, Position, Trial

MAX_POINTS = 100_000


class Grid:
    """The product of the axes, in the order typed; the last varies fastest.

    Args:
        seed: of the order of values in shuffle(...), in [0, 2^53).
        objective: what the best point is picked by; null is the metric of the selection rule, on val.
        direction: of the objective, minimize or maximize; null is that of the metric.
    """

    def __init__(self, seed: Seed, objective: Objective, direction: Directions) -> None:
        self.seed = seed
        self.objective = objective
        self.direction = direction

    def ask(self, axes: Sequence[Axis], trials: Sequence[Trial], directions: Sequence[Direction]) -> list[Position]:
        """Return all points at once.

        Raises:
            ConfigError: an interval, or more than 100,000 points.
        """
        for axis in axes:
            if axis.is_interval:
                raise ConfigError(f"{axis.typed}: an interval has endless values, which search=random, qmc, "
                                  f"tpe, cmaes and halving draw from; or list values, or use range(start,stop,step)")
        if math.prod(len(axis.values) for axis in axes) > MAX_POINTS:
            raise ConfigError(f"the grid has more than {MAX_POINTS:,} points; give fewer values")
        return [] if trials else list(product(*map(self._order, axes)))

    def _order(self, axis: Axis) -> list[int]:
        indices = list(range(len(axis.values)))
        if axis.shuffled:
            numpy_generator(self.seed, f"shuffle {axis.key}").shuffle(indices)
        return indices
