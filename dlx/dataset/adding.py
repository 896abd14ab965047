"""The adding problem. N series, L steps."""

from __future__ import annotations

import numpy as np

from dlx.core.lengths import LongerTest
from dlx.core.types import Arrays, TaskSpec


class Adding(LongerTest):
    """A series of numbers of which two are marked: what is their sum?

    Source: Hochreiter and Schmidhuber, Long short-term memory, 1997, section 5.4, with numbers drawn evenly from [0, 1]
    as in later work: always saying 1 has a mean squared error of 1/6. One mark is in the first half, one in the second.
    The dataset's own test set has longer series. The channels: number, mark, and 1 until the end.

    Args:
        num_examples: series beside the test set, of length/2 to length steps.
        num_test: series of the test set, of more than length steps and up to test_length.
        length: steps at most beside the test set, in [2, 65536].
        test_length: steps at most in the test set, in [2, 65536].
        seed: of the draws.

    Raises:
        ConfigError: test_length is not greater than length.
    """

    def spec(self) -> TaskSpec:
        """Describe series of two channels and the mask with one real target."""
        return TaskSpec("regression", "series", (self.test_length, 3), 1)

    def load(self, data_dir: str) -> Arrays:
        """Return inputs [N, test_length, 3], targets [N] and the test set; nothing is read from data_dir."""
        lengths, test_ids, draw = self.draw("adding")
        # A series of one step has no two halves.
        lengths = np.maximum(lengths, 2)
        is_step = np.arange(self.test_length) < lengths[:, None]
        numbers = draw.random((len(lengths), self.test_length), np.float32) * is_step
        rows, marks = np.arange(len(lengths)), np.zeros_like(numbers)
        for low, high in ((np.zeros_like(lengths), lengths // 2), (lengths // 2, lengths)):
            marks[rows, low + (draw.random(len(lengths)) * (high - low)).astype(np.int64)] = 1.0
        inputs = np.stack([numbers, marks, is_step.astype(np.float32)], axis=2)
        return Arrays(inputs, (numbers * marks).sum(axis=1), test_ids, {"length": lengths})
