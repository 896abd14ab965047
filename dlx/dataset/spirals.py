"""Intertwined spirals."""

from __future__ import annotations

from typing import Annotated

import numpy as np

from dlx.core.errors import ConfigError
from dlx.core.random import numpy_generator
from dlx.core.ranges import Count, NonNegative, Positive, Range, Seed
from dlx.core.types import Arrays, Column, TaskSpec

# The arms meet in the centre.
INNER_RADIUS = 0.1


class Spirals:
    """Points of C spiral arms, one per class, that wind around the origin.

    A point of class c at radius r, drawn evenly from 0.1 to 1, has the angle 2π (turns · r + c / C). Along a ray from
    the origin the arms lie 1 / (turns · C) apart, so that noise well below half of that leaves the classes separable,
    though by no straight line. After Lang and Witbrock, Learning to tell two spirals apart, 1988.

    Args:
        num_examples: of all classes, as many of each as of any other, or one more.
        num_classes: C, the arms, in [2, 65536].
        turns: of each arm around the origin, from radius 0 to 1, in (0, inf).
        noise: standard deviation of the normal noise added to each coordinate, in [0, inf).
        seed: of the draws; fixed in YAML, so that runs with different seeds see the same data and divide it
            differently.

    Raises:
        ConfigError: fewer examples than classes.
    """

    def __init__(self, num_examples: Count, num_classes: Annotated[int, Range("[2, 65536]")], turns: Positive,
                 noise: NonNegative, seed: Seed) -> None:
        if num_examples < num_classes:
            raise ConfigError(f"dataset.num_examples={num_examples} leaves classes without examples: use at least "
                              f"{num_classes}, as many as dataset.num_classes")
        self.num_examples = num_examples
        self.num_classes = num_classes
        self.turns = turns
        self.noise = noise
        self.seed = seed

    def spec(self) -> TaskSpec:
        """Describe points of the classes."""
        return TaskSpec("classification", "table", (2,), self.num_classes, tuple(map(str, range(self.num_classes))),
                        (Column("x"), Column("y")))

    def load(self, data_dir: str) -> Arrays:
        """Return inputs [N, 2] and targets [N]; nothing is read from data_dir."""
        draw = numpy_generator(self.seed, "spirals")
        targets = draw.permutation(np.arange(self.num_examples) % self.num_classes)
        radius = draw.uniform(INNER_RADIUS, 1.0, self.num_examples)
        angle = 2 * np.pi * (self.turns * radius + targets / self.num_classes)
        points = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
        noisy = points + self.noise * draw.standard_normal(points.shape)
        return Arrays(noisy.astype(np.float32), targets.astype(np.int64))
