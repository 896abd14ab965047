"""Points drawn independently."""

from __future__ import annotations

from collections.abc import Sequence

from dlx.core.random_search import draw_point
from dlx.core.ranges import Seed
from dlx.core.search import Axis, Direction, Directions, NumTrials, Objective, Position, Trial


class Random:
    """Independent draws: intervals uniformly, or uniformly in the logarithm, values and choices with equal chances.

    Source: Bergstra and Bengio, Random search for hyper-parameter optimization, JMLR 13, 2012.

    Args:
        num_trials: points to draw; equal points are trained once, in [1, 100000].
        seed: of the draws, in [0, 2^53).
        objective: what the best point is picked by; null is the metric of the selection rule, on val.
        direction: of the objective, minimize or maximize; null is that of the metric.
    """

    def __init__(self, num_trials: NumTrials, seed: Seed, objective: Objective, direction: Directions) -> None:
        self.num_trials = num_trials
        self.seed = seed
        self.objective = objective
        self.direction = direction

    def ask(self, axes: Sequence[Axis], trials: Sequence[Trial], directions: Sequence[Direction]) -> list[Position]:
        """Return all points at once."""
        return [] if trials else [draw_point(axes, self.seed, number) for number in range(self.num_trials)]
