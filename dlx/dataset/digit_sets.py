"""Several handwritten digits in a picture: which are there?"""

from __future__ import annotations

from typing import Annotated

import numpy as np

from dlx.core.digit_pools import digit_pools, pools_of
from dlx.core.random import numpy_generator
from dlx.core.ranges import Range, Seed
from dlx.core.types import Arrays, TaskSpec

CELLS, SIDE = 4, 8


class DigitSets:
    """Pictures of 16×16 with one to four embedded digits in their quarters; the labels are the digits that are there.

    The digits of scikit-learn are divided into 20 pools, and a picture's are of one pool, which is kept in the notes:
    split by it (split=grouped split.column=pool), so that val shows images that train does not. The dataset's own test
    set is of four pools that no other picture is of.

    Args:
        num_examples: pictures beside the test set, in [100, 100000].
        num_test: pictures of the test set, in [20, 100000].
        seed: of pools and pictures; fixed in YAML, so that runs with different seeds divide the same data.
    """

    def __init__(self, num_examples: Annotated[int, Range("[100, 100000]")],
                 num_test: Annotated[int, Range("[20, 100000]")], seed: Seed) -> None:
        self.num_examples = num_examples
        self.num_test = num_test
        self.seed = seed

    def spec(self) -> TaskSpec:
        """Describe images [1, 16, 16] with ten labels."""
        return TaskSpec("multilabel", "image", (1, 2 * SIDE, 2 * SIDE), 10, tuple("0123456789"))

    def load(self, data_dir: str) -> Arrays:
        """Return inputs [N, 1, 16, 16] in [0, 1], labels [N, 10], the test set, and the note `pool` [N]."""
        known = digit_pools(self.seed)
        pools, test_ids = pools_of(self.num_examples, self.num_test)
        draw = numpy_generator(self.seed, "digit-sets")
        quarters = np.zeros((len(pools), CELLS, SIDE, SIDE), np.float32)
        targets = np.zeros((len(pools), 10), np.int64)
        for row, pool in enumerate(pools):
            chosen = draw.choice(known.rows[pool], draw.integers(1, CELLS + 1))
            quarters[row, draw.permutation(CELLS)[: len(chosen)]] = known.images[chosen]
            targets[row, known.labels[chosen]] = 1
        inputs = quarters.reshape(-1, 2, 2, SIDE, SIDE).swapaxes(2, 3).reshape(-1, 1, 2 * SIDE, 2 * SIDE)
        return Arrays(inputs, targets, test_ids, {"pool": pools})
