"""Copying what was read. N texts, L tokens."""

from __future__ import annotations

from typing import Annotated

import numpy as np

from dlx.core.lengths import Length, LongerTest, NumExamples, NumTest
from dlx.core.ranges import Range, Seed
from dlx.core.types import IGNORED, PADDING, Arrays, TaskSpec


class Copy(LongerTest):
    """Symbols, a delimiter, then blanks: from the delimiter on, the symbols are to be said again in their order.

    Source: Graves, Wayne and Danihelka, Neural Turing machines, 2014, with symbols for vectors. The dataset's own test
    set has longer texts. The tokens: 0 padding, 1 to S the symbols, then delimiter and blank; the classes: 0 to S - 1.

    Args:
        num_examples: texts beside the test set, of length/2 to length symbols.
        num_test: texts of the test set, of more than length symbols and up to test_length.
        num_symbols: S, in [2, 10000].
        length: symbols at most beside the test set, in [2, 65536].
        test_length: symbols at most in the test set, in [2, 65536].
        seed: of the draws.

    Raises:
        ConfigError: test_length is not greater than length.
    """

    def __init__(self, num_examples: NumExamples, num_test: NumTest, num_symbols: Annotated[int, Range("[2, 10000]")],
                 length: Length, test_length: Length, seed: Seed) -> None:
        super().__init__(num_examples, num_test, length, test_length, seed)
        self.num_symbols = num_symbols

    def spec(self) -> TaskSpec:
        """Describe texts with a class for every token."""
        return TaskSpec("sequence", "tokens", (2 * self.test_length,), self.num_symbols,
                        vocabulary_size=self.num_symbols + 3)

    def load(self, data_dir: str) -> Arrays:
        """Return inputs and targets [N, 2 · test_length] and the test set; nothing is read from data_dir."""
        lengths, test_ids, draw = self.draw("copy")
        symbols = draw.integers(0, self.num_symbols, (len(lengths), 2 * self.test_length))
        place, count = np.arange(2 * self.test_length), lengths[:, None]
        asked = (place >= count) & (place < 2 * count)
        said_again = np.take_along_axis(symbols, (place - count) % (2 * self.test_length), axis=1)
        delimiter, blank = self.num_symbols + 1, self.num_symbols + 2
        inputs = np.select([place < count, place == count, asked], [symbols + 1, delimiter, blank], PADDING)
        return Arrays(inputs.astype(np.int64), np.where(asked, said_again, IGNORED), test_ids, {"length": lengths})
