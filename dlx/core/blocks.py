"""Arrays gone through a block of rows at a time: little memory, and the same bytes however the rows come.

N rows, n rows of a block.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import numpy as np

# Sums over a block are added up in order: another number changes the last bits of statistics of larger data.
FITTED_VALUES = 2**22
# What a cache of a processor core holds, in float64.
MAPPED_VALUES = 2**16


def rows_per_block(array: np.ndarray, values: int) -> int:
    """Return how many rows of an array [N, ...] have about so many values, at least 1."""
    return max(1, values // max(1, int(np.prod(array.shape[1:]))))


def reblocked(blocks: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
    """Yield the same rows, in blocks of a size that the shape of a row alone decides."""
    pending: list[np.ndarray] = []
    for block in blocks:
        rest = block
        while len(rest):
            missing = rows_per_block(rest, FITTED_VALUES) - sum(map(len, pending))
            pending.append(rest[:missing])
            rest, complete = rest[missing:], len(rest) >= missing
            if complete:
                yield _joined(pending)
                pending = []
    if pending:
        yield _joined(pending)


def mapped(function: Callable[[np.ndarray], np.ndarray], inputs: np.ndarray) -> np.ndarray:
    """Transform rows [N, ...] that do not depend on each other, block by block.

    Args:
        function: maps rows [n, ...] to rows [n, ...] of a shape and type that are always the same.
        inputs: the rows, at least one.
    """
    rows = rows_per_block(inputs, MAPPED_VALUES)
    first = function(inputs[:rows])
    if len(inputs) <= rows:
        return first
    out = np.empty((len(inputs), *first.shape[1:]), first.dtype)
    out[:rows] = first
    for low in range(rows, len(inputs), rows):
        out[low : low + rows] = function(inputs[low : low + rows])
    return out


def _joined(blocks: list[np.ndarray]) -> np.ndarray:
    return blocks[0] if len(blocks) == 1 else np.concatenate(blocks)
