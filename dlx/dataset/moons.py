"""Two interleaving half circles."""

from __future__ import annotations

from typing import Annotated

import numpy as np

from dlx.core.ranges import NonNegative, Range
from dlx.core.types import Arrays, Column, TaskSpec


class Moons:
    """Points of two interleaving half circles of radius 1, one per class, with noise: scikit-learn's make_moons.

    Without noise the upper one is (cos a, sin a) and the lower one (1 - cos a, 1/2 - sin a), a from 0 to π; they come
    as near as 0.5 to each other.

    Args:
        num_examples: of both classes, in [2, inf).
        noise: standard deviation of the normal noise added to each coordinate, in [0, inf).
        seed: of the draws, in [0, 4294967295]; fixed in YAML, so that runs with different seeds see the same data and
            divide it differently.
    """

    def __init__(self, num_examples: Annotated[int, Range("[2, inf)")], noise: NonNegative,
                 seed: Annotated[int, Range("[0, 4294967295]")]) -> None:
        self.num_examples = num_examples
        self.noise = noise
        self.seed = seed

    def spec(self) -> TaskSpec:
        """Describe points of two classes."""
        return TaskSpec("classification", "table", (2,), 2, ("upper", "lower"), (Column("x"), Column("y")))

    def load(self, data_dir: str) -> Arrays:
        """Return inputs [N, 2] and targets [N]; nothing is read from data_dir."""
        from sklearn.datasets import make_moons

        inputs, targets = make_moons(self.num_examples, noise=float(self.noise), random_state=self.seed)
        return Arrays(inputs.astype(np.float32), targets.astype(np.int64))
