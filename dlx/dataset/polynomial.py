"""A polynomial with known noise."""

from __future__ import annotations

from typing import Annotated

import numpy as np

from dlx.core.errors import ConfigError
from dlx.core.random import numpy_generator
from dlx.core.ranges import NonNegative, Range, Seed
from dlx.core.types import Arrays, Column, TaskSpec


class Polynomial:
    """y = c_0 + c_1 x + c_2 x² + … + noise · e, x drawn evenly from [-1, 1], e from the standard normal distribution.

    The polynomial itself has the least RMSE that any prediction can have: noise. What is below it on train is
    memorized. With num_powers a linear model fits a polynomial of that degree: the experiment of Bishop, Pattern
    Recognition and Machine Learning, 2006, section 1.1.

    Args:
        num_examples: rows, in [2, inf).
        coefficients: c_0, c_1, c_2 …, each in [-1e6, 1e6].
        num_powers: the inputs are x, x², …, up to this power, in [1, 64].
        noise: standard deviation of the noise of y, in [0, inf); the best possible RMSE.
        seed: of the draws; fixed in YAML, so that runs with different seeds see the same data and divide it
            differently.

    Raises:
        ConfigError: y is the same for every row.
    """

    def __init__(self, num_examples: Annotated[int, Range("[2, inf)")],
                 coefficients: list[Annotated[float, Range("[-1e6, 1e6]")]],
                 num_powers: Annotated[int, Range("[1, 64]")], noise: NonNegative, seed: Seed) -> None:
        if noise == 0 and not any(coefficients[1:]):
            raise ConfigError(f"dataset.coefficients={coefficients} with dataset.noise=0 give every row the same "
                              f"target; give a coefficient after the first, or noise")
        self.num_examples = num_examples
        self.coefficients = coefficients
        self.num_powers = num_powers
        self.noise = noise
        self.seed = seed

    def spec(self) -> TaskSpec:
        """Describe the powers of one number with one real target."""
        names = ["x", *(f"x^{power}" for power in range(2, self.num_powers + 1))]
        return TaskSpec("regression", "table", (self.num_powers,), 1, (), tuple(map(Column, names)))

    def load(self, data_dir: str) -> Arrays:
        """Return inputs [N, num_powers] and targets [N]; nothing is read from data_dir."""
        draw = numpy_generator(self.seed, "polynomial")
        inputs = draw.uniform(-1.0, 1.0, (self.num_examples, 1)) ** np.arange(1, self.num_powers + 1)
        targets = self.truth(inputs) + self.noise * draw.standard_normal(self.num_examples)
        return Arrays(inputs.astype(np.float32), targets.astype(np.float32))

    def truth(self, inputs: np.ndarray) -> np.ndarray:
        """Return the mean of y for inputs [N, num_powers], [N]."""
        mean: np.ndarray = np.polynomial.polynomial.polyval(inputs[:, 0], self.coefficients or [0.0])
        return mean
