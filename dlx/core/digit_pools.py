"""The embedded digits in pools: what is made of those of one pool shares no image with what is made of another's."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from dlx.core.random import numpy_generator

NUM_POOLS = 20
# The pools of a dataset's own test set.
TEST_POOLS = 4


class DigitPools(NamedTuple):
    """Images [1797, 8, 8] in [0, 1], labels [1797] from 0 to 9, and the rows of each pool, which all have every label.

    Source: Alpaydin and Kaynak, Optical Recognition of Handwritten Digits, UCI 1998, as scikit-learn ships it.
    """

    images: np.ndarray
    labels: np.ndarray
    rows: list[np.ndarray]


def digit_pools(seed: int) -> DigitPools:
    """Divide the digits at random, every label evenly."""
    from sklearn.datasets import load_digits

    data = load_digits()
    draw = numpy_generator(seed, "digit-pools")
    mixed = [draw.permutation(np.flatnonzero(data.target == label)) for label in range(10)]
    rows = [np.concatenate([own[pool::NUM_POOLS] for own in mixed]) for pool in range(NUM_POOLS)]
    return DigitPools((data.images / 16.0).astype(np.float32), data.target.astype(np.int64), rows)


def pools_of(num_examples: int, num_test: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the pool of each example [N], evenly, those of the test set last, and the rows of the test set."""
    known = np.arange(num_examples) % (NUM_POOLS - TEST_POOLS)
    test = NUM_POOLS - TEST_POOLS + np.arange(num_test) % TEST_POOLS
    return np.concatenate([known, test]), num_examples + np.arange(num_test)
