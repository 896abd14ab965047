"""Arrays gone through a block of rows at a time: little memory, and the same bytes however the rows come.

N rows, n rows of a block.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from dlx.core.memory import forget, is_mapped
from dlx.core.ragged import Ragged

# Sums over a block are added up in order: another number changes the last bits of statistics of larger data.
FITTED_VALUES = 2**22
# Small enough for the cache of a core, in float64; large enough that a call costs little beside it.
BLOCK_VALUES = 2**16
# Texts and audio are no arrays: a part works on one example after the other, and only the start of a block costs.
RAGGED_VALUES = 2**20
# Of a mapped file, in memory before its pages are let go, which costs as much for few as for many.
MAPPED_BYTES = 2**26
# What comes into memory with a byte of a mapped file, where the system keeps it in large pages.
PAGE_BYTES = 2**21


def blocks(inputs: np.ndarray | Ragged, rows: np.ndarray | None = None) -> Iterator[Any]:
    """Yield rows in blocks of a number that depends on their shape alone; what is read of mapped files is let go.

    Args:
        inputs: [N, ...].
        rows: which of the inputs, ascending where they are mapped; None for all.
    """
    step, size = block_rows(inputs), len(inputs) if rows is None else len(rows)
    if isinstance(inputs, Ragged):
        numbers = np.arange(size) if rows is None else rows
        yield from (inputs[numbers[low : low + step]] for low in range(0, size, step))
        return
    # Of rows that lie apart, each may bring a page; of others, only what lies between the first and the last.
    row_bytes, begin = math.prod(inputs.shape[1:]) * inputs.itemsize, 0
    for low in range(0, size, step):
        high = min(low + step, size)
        yield inputs[low:high] if rows is None else inputs[rows[low:high]]
        span = high - begin if rows is None else abs(rows[high - 1] - rows[begin]) + 1
        if min(span * row_bytes, (high - begin) * PAGE_BYTES) > MAPPED_BYTES:
            forget(inputs)
            begin = high
    forget(inputs)


def take(inputs: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Copy rows [n] of inputs [N, ...]; what is read of mapped files is let go."""
    # In the order of the file: a disk, and the memory behind it, are fastest one place after the other.
    order = np.argsort(rows, kind="stable")
    taken = np.empty((len(rows), *inputs.shape[1:]), inputs.dtype)
    step = MAPPED_BYTES // PAGE_BYTES if is_mapped(inputs) else max(1, len(rows))
    for low in range(0, len(rows), step):
        own = order[low : low + step]
        taken[own] = inputs[rows[own]]
        forget(inputs)
    return taken


def in_blocks(function: Callable[[Any], Any], inputs: np.ndarray | Ragged, rows: np.ndarray | None = None) -> Any:
    """Apply a function of rows that do not depend on each other, block by block.

    Args:
        function: maps rows [n, ...] to rows [n, ...] of a shape and type that are always the same.
        inputs: [N, ...], at least one.
        rows: which of the inputs, ascending where they are mapped; None for all.
    """
    made: np.ndarray | None = None
    ragged: list[Ragged] = []
    low, size = 0, len(inputs) if rows is None else len(rows)
    for block in blocks(inputs, rows):
        part = function(block)
        if len(part) == size:
            return part
        if isinstance(part, Ragged):
            ragged.append(part)
            continue
        if made is None:
            made = np.empty((size, *part.shape[1:]), part.dtype)
        made[low : low + len(part)] = part
        low += len(part)
    if ragged:
        return Ragged.joined(ragged)
    assert made is not None, "no split is empty"
    return made


def block_rows(inputs: np.ndarray | Ragged) -> int:
    """Return the number of rows of a block."""
    if isinstance(inputs, Ragged):
        return max(1, int(RAGGED_VALUES // max(1, inputs.lengths.mean())))
    return _rows_of(inputs, BLOCK_VALUES)


def reblocked(blocks: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
    """Yield the same rows, in blocks for statistics, of a size that the shape of a row alone decides."""
    pending: list[np.ndarray] = []
    for block in blocks:
        rest = block
        while len(rest):
            missing = _rows_of(rest, FITTED_VALUES) - sum(map(len, pending))
            pending.append(rest[:missing])
            rest, complete = rest[missing:], len(rest) >= missing
            if complete:
                yield _joined(pending)
                pending = []
    if pending:
        yield _joined(pending)


def _rows_of(array: np.ndarray, values: int) -> int:
    return max(1, values // max(1, math.prod(array.shape[1:])))


def _joined(blocks: list[np.ndarray]) -> np.ndarray:
    return blocks[0] if len(blocks) == 1 else np.concatenate(blocks)
