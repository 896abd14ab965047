"""Bootstrap resamples as counts: how often each example occurs in each.

Counts depend on the numbers of examples and of draws and on a seed, never on what is measured. So those in use are kept
in the process, and the means of all resamples become a matrix product: 9,999 means of 360 values take 0.9 ms, where
drawing and gathering took 8. What would take more than KEPT_BYTES is drawn again, block by block.

Shape letters: N examples, K columns of per-example values, R bootstrap draws, r those of a block.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator

import numpy as np

from dlx.core.random import numpy_generator

# Of the counts of one number of examples, and of one class.
KEPT_BYTES = 2**24
KEPT_CLASS_BYTES = 2**18
_BLOCK_ELEMENTS = 2**17


def resampled_means(columns: np.ndarray, num_draws: int, seed: int) -> np.ndarray:
    """Return the means [K, R] of resamples of the examples of columns [K, N], drawn whole."""
    n = columns.shape[1]
    # No BLAS: its threads would change the last digits from machine to machine.
    means = [[np.einsum("rn,n->r", counts, column) for column in columns] for counts in _blocks(n, num_draws, seed)]
    return np.asarray(np.concatenate(means, axis=1) / n)


def stratified_counts(targets: np.ndarray, num_draws: int, seed: int) -> Iterator[np.ndarray]:
    """Draw resamples within each class, in blocks so that memory does not grow with R.

    Args:
        targets: class indices [N].
        num_draws: R.
        seed: of the draws.

    Yields:
        Counts [N, r]; over the examples of a class they sum to its size in every draw.
    """
    strata = [(label, np.flatnonzero(targets == label)) for label in np.unique(targets).tolist()]
    whole = targets.size * num_draws <= KEPT_BYTES
    block = num_draws if whole else max(1, 2 * _BLOCK_ELEMENTS // targets.size)
    sources = [_class_blocks(label, members.size, num_draws, block, seed) for label, members in strata]
    for start in range(0, num_draws, block):
        counts = np.empty((targets.size, min(block, num_draws - start)), dtype=np.uint8)
        for (_, members), source in zip(strata, sources, strict=True):
            counts[members] = next(source)
        yield counts


def _blocks(n: int, num_draws: int, seed: int) -> Iterator[np.ndarray]:
    """Yield counts [r, N]."""
    return iter([_kept(n, num_draws, seed)]) if n * num_draws <= KEPT_BYTES else _drawn(n, num_draws, seed)


@functools.lru_cache(maxsize=2)
def _kept(n: int, num_draws: int, seed: int) -> np.ndarray:
    return _frozen(np.concatenate(list(_drawn(n, num_draws, seed))))


def _drawn(n: int, num_draws: int, seed: int) -> Iterator[np.ndarray]:
    generator, block = numpy_generator(seed, "bootstrap"), max(1, _BLOCK_ELEMENTS // n)
    for start in range(0, num_draws, block):
        size = min(block, num_draws - start)
        slots = generator.integers(0, n, (size, n)) + n * np.arange(size)[:, None]
        yield _counted(slots)


def _class_blocks(label: int, size: int, num_draws: int, block: int, seed: int) -> Iterator[np.ndarray]:
    """Yield counts [size, r] of the examples of one class, whose draws are its own."""
    if block == num_draws and size * num_draws <= KEPT_CLASS_BYTES:
        yield _kept_class(label, size, num_draws, seed)
        return
    generator = numpy_generator(seed, "bootstrap-class", label)
    for start in range(0, num_draws, block):
        width = min(block, num_draws - start)
        yield _counted(generator.integers(0, size, (size, width)) * width + np.arange(width))


@functools.lru_cache(maxsize=256)
def _kept_class(label: int, size: int, num_draws: int, seed: int) -> np.ndarray:
    generator = numpy_generator(seed, "bootstrap-class", label)
    return _frozen(_counted(generator.integers(0, size, (size, num_draws)) * num_draws + np.arange(num_draws)))


def _counted(slots: np.ndarray) -> np.ndarray:
    # That an example is drawn more than 255 times has a probability below 1e-500.
    return np.bincount(slots.ravel(), minlength=slots.size).astype(np.uint8).reshape(slots.shape)


def _frozen(counts: np.ndarray) -> np.ndarray:
    counts.setflags(write=False)
    return counts
