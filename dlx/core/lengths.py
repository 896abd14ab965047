"""Made-up sequences of which the test set has longer ones than any that train shows. N sequences."""

from __future__ import annotations

from typing import Annotated, NamedTuple

import numpy as np

from dlx.core.errors import ConfigError
from dlx.core.random import numpy_generator
from dlx.core.ranges import Range, Seed

NumExamples = Annotated[int, Range("[3, inf)")]
NumTest = Annotated[int, Range("[1, inf)")]
Length = Annotated[int, Range("[2, 65536]")]


class Drawn(NamedTuple):
    """Lengths [N] of sequences, the rows of the test set, and the generator of what else is drawn."""

    lengths: np.ndarray
    test_ids: np.ndarray
    generator: np.random.Generator


class LongerTest:
    """Sequences of length/2 to length, and num_test of more than that and up to test_length, the test set.

    Raises:
        ConfigError: the test set could not have longer sequences.
    """

    def __init__(self, num_examples: NumExamples, num_test: NumTest, length: Length, test_length: Length, seed: Seed
                 ) -> None:
        if test_length <= length:
            raise ConfigError(f"dataset.test_length must be greater than dataset.length, so that test asks for longer "
                              f"sequences than train shows, got {test_length} and {length}")
        self.num_examples = num_examples
        self.num_test = num_test
        self.length = length
        self.test_length = test_length
        self.seed = seed

    def draw(self, purpose: str) -> Drawn:
        """Draw the lengths."""
        generator = numpy_generator(self.seed, purpose)
        shown = generator.integers((self.length + 1) // 2, self.length + 1, self.num_examples)
        longer = generator.integers(self.length + 1, self.test_length + 1, self.num_test)
        return Drawn(np.concatenate([shown, longer]), self.num_examples + np.arange(self.num_test), generator)
