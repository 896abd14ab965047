"""Lengths of made-up sequences: those of the test set are greater than any that train shows. N sequences."""

from __future__ import annotations

from typing import Annotated

import numpy as np

from dlx.core.errors import ConfigError
from dlx.core.ranges import Range

NumExamples = Annotated[int, Range("[3, inf)")]
NumTest = Annotated[int, Range("[1, inf)")]
Length = Annotated[int, Range("[2, 65536]")]


def check_lengths(length: int, test_length: int) -> None:
    """Raise ConfigError where the test set could not have longer sequences."""
    if test_length <= length:
        raise ConfigError(f"dataset.test_length must be greater than dataset.length, so that test asks for longer "
                          f"sequences than train shows, got {test_length} and {length}")


def draw_lengths(draw: np.random.Generator, num_examples: int, num_test: int, length: int, test_length: int
                 ) -> tuple[np.ndarray, np.ndarray]:
    """Draw lengths [N], from half of `length` to `length`, of the last num_test from there to test_length.

    Returns:
        The lengths and the rows of the test set.
    """
    shown = draw.integers((length + 1) // 2, length + 1, num_examples)
    longer = draw.integers(length + 1, test_length + 1, num_test)
    return np.concatenate([shown, longer]), np.arange(num_examples, num_examples + num_test)
