"""Handwritten digits in a row, to be read. N strings, W columns of pixels, U digits."""

from __future__ import annotations

from typing import Annotated

import numpy as np

from dlx.core.digit_pools import digit_pools, pools_of
from dlx.core.random import numpy_generator
from dlx.core.ranges import Range, Seed
from dlx.core.types import IGNORED, Arrays, TaskSpec

SIDE = 8


class DigitStrings:
    """One to `length` embedded digits side by side, with gaps between them: which are they, in their order?

    A series of columns of eight pixels, from left to right; nothing says where a digit begins. The digits of
    scikit-learn are divided into 20 pools, and a string's are of one pool, which is kept in the notes: split by it
    (split=grouped split.column=pool), so that val shows images that train does not. The dataset's own test set is of
    four pools that no other string is of. Class 0 is the blank, class d + 1 the digit d.

    Args:
        num_examples: strings beside the test set, in [100, 100000].
        num_test: strings of the test set, in [20, 100000].
        length: digits of a string at most, in [1, 100].
        gap: empty columns before each digit, and after the last, at most, in [0, 100].
        seed: of pools and strings; fixed in YAML, so that runs with different seeds divide the same data.
    """

    def __init__(self, num_examples: Annotated[int, Range("[100, 100000]")],
                 num_test: Annotated[int, Range("[20, 100000]")], length: Annotated[int, Range("[1, 100]")],
                 gap: Annotated[int, Range("[0, 100]")], seed: Seed) -> None:
        self.num_examples = num_examples
        self.num_test = num_test
        self.length = length
        self.gap = gap
        self.seed = seed

    @property
    def width(self) -> int:
        """W, columns of the longest string."""
        return self.length * (SIDE + self.gap) + self.gap

    def spec(self) -> TaskSpec:
        """Describe series of eight channels and the mask with ten classes and the blank."""
        return TaskSpec("transcription", "series", (self.width, SIDE + 1), 11, ("blank", *"0123456789"))

    def load(self, data_dir: str) -> Arrays:
        """Return inputs [N, W, 9], targets [N, length], the test set, and the note `pool` [N]."""
        known = digit_pools(self.seed)
        pools, test_ids = pools_of(self.num_examples, self.num_test)
        draw = numpy_generator(self.seed, "digit-strings")
        inputs = np.zeros((len(pools), self.width, SIDE + 1), np.float32)
        targets = np.full((len(pools), self.length), IGNORED)
        for row, pool in enumerate(pools):
            chosen = draw.choice(known.rows[pool], draw.integers(1, self.length + 1))
            targets[row, : len(chosen)] = known.labels[chosen] + 1
            gaps = draw.integers(0, self.gap + 1, len(chosen) + 1)
            starts = gaps[:-1].cumsum() + SIDE * np.arange(len(chosen))
            for start, image in zip(starts, known.images[chosen], strict=True):
                inputs[row, start : start + SIDE, :SIDE] = image.T
            inputs[row, : starts[-1] + SIDE + gaps[-1], SIDE] = 1
        return Arrays(inputs, targets, test_ids, {"pool": pools})
