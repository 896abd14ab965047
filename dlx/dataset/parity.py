"""Parity of bits. N texts, L bits."""

from __future__ import annotations

import numpy as np

from dlx.core.lengths import LongerTest
from dlx.core.types import PADDING, Arrays, TaskSpec


class Parity(LongerTest):
    """Is the number of ones even or odd? Every bit counts, and the dataset's own test set has longer texts.

    A model that knows only parts of a text knows nothing (Minsky and Papert, Perceptrons, 1969). The tokens: 0 padding,
    1 for the bit 0, 2 for the bit 1.

    Args:
        num_examples: texts beside the test set, of length/2 to length bits.
        num_test: texts of the test set, of more than length bits and up to test_length.
        length: bits at most beside the test set, in [2, 65536].
        test_length: bits at most in the test set, in [2, 65536].
        seed: of the draws.

    Raises:
        ConfigError: test_length is not greater than length.
    """

    def spec(self) -> TaskSpec:
        """Describe texts of two classes."""
        return TaskSpec("classification", "tokens", (self.test_length,), 2, ("even", "odd"), vocabulary_size=3)

    def load(self, data_dir: str) -> Arrays:
        """Return inputs [N, test_length], targets [N] and the test set; nothing is read from data_dir."""
        lengths, test_ids, draw = self.draw("parity")
        bits = draw.integers(0, 2, (len(lengths), self.test_length))
        is_bit = np.arange(self.test_length) < lengths[:, None]
        targets = (bits * is_bit).sum(axis=1) % 2
        return Arrays(np.where(is_bit, bits + 1, PADDING), targets, test_ids, {"length": lengths})
