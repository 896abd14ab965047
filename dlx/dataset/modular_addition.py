"""Addition modulo a number, as text."""

from __future__ import annotations

from typing import Annotated

import numpy as np

from dlx.core.ranges import Range
from dlx.core.types import Arrays, TaskSpec


class ModularAddition:
    """All p² texts "a + b =" with the class (a + b) mod p: the table on which grokking was seen.

    Source: Power, Burda, Edwards, Babuschkin and Misra, Grokking: generalization beyond overfitting on small
    algorithmic datasets, 2022. How much of the table train shows is said by split and dataset.train_fraction. The
    tokens: 0 padding, 1 to p the numbers 0 to p - 1, then "+" and "=".

    Args:
        modulus: p, in [2, 1000].
    """

    def __init__(self, modulus: Annotated[int, Range("[2, 1000]")]) -> None:
        self.modulus = modulus

    def spec(self) -> TaskSpec:
        """Describe texts of four tokens of p classes."""
        names = tuple(map(str, range(self.modulus)))
        return TaskSpec("classification", "tokens", (4,), self.modulus, names, vocabulary_size=self.modulus + 3)

    def load(self, data_dir: str) -> Arrays:
        """Return inputs [p², 4] and targets [p²], b varying fastest; nothing is read from data_dir."""
        first, second = (grid.ravel() for grid in np.mgrid[: self.modulus, : self.modulus])
        signs = [np.full(first.size, self.modulus + place) for place in (1, 2)]
        inputs = np.stack([first + 1, signs[0], second + 1, signs[1]], axis=1)
        return Arrays(inputs.astype(np.int64), ((first + second) % self.modulus).astype(np.int64))
