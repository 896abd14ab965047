"""A sine wave with known noise."""

from __future__ import annotations

from typing import Annotated

import numpy as np

from dlx.core.random import numpy_generator
from dlx.core.ranges import NonNegative, Positive, Range, Seed
from dlx.core.types import Arrays, Column, TaskSpec


class Sine:
    """y = sin(2π · frequency · x) + noise · e, x drawn evenly from [-1, 1] and e from the standard normal distribution.

    The sine itself has the least RMSE that any prediction can have: noise. What is below it on train is memorized.

    Args:
        num_examples: rows, in [2, inf).
        frequency: periods per unit of x, in (0, inf).
        noise: standard deviation of the noise of y, in [0, inf); the best possible RMSE.
        seed: of the draws; fixed in YAML, so that runs with different seeds see the same data and divide it
            differently.
    """

    def __init__(self, num_examples: Annotated[int, Range("[2, inf)")], frequency: Positive, noise: NonNegative,
                 seed: Seed) -> None:
        self.num_examples = num_examples
        self.frequency = frequency
        self.noise = noise
        self.seed = seed

    def spec(self) -> TaskSpec:
        """Describe one number with one real target."""
        return TaskSpec("regression", "table", (1,), 1, (), (Column("x"),))

    def load(self, data_dir: str) -> Arrays:
        """Return inputs [N, 1] and targets [N]; nothing is read from data_dir."""
        draw = numpy_generator(self.seed, "sine")
        inputs = draw.uniform(-1.0, 1.0, (self.num_examples, 1))
        targets = self.truth(inputs) + self.noise * draw.standard_normal(self.num_examples)
        return Arrays(inputs.astype(np.float32), targets.astype(np.float32))

    def truth(self, inputs: np.ndarray) -> np.ndarray:
        """Return the mean of y for inputs [N, 1], [N]."""
        mean: np.ndarray = np.sin(2 * np.pi * self.frequency * inputs[:, 0])
        return mean
