"""Rows that occur twice, and equal inputs with different targets. N rows, K groups of equal rows."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np

from dlx.core.blocks import blocks
from dlx.core.ragged import Ragged
from dlx.hygiene.data import MAX_LISTED, TRAIN, Count

DIGEST_BYTES = 16


class Duplicates(NamedTuple):
    """Exact duplicates.

    within: rows of a split that repeat an earlier one of it; across: by "test in train", rows of the first that the
    second has, too; pairs: by the same names, some (row, row of the second).
    """

    within: dict[str, Count]
    across: dict[str, Count]
    pairs: dict[str, tuple[tuple[int, int], ...]]


class Conflicts(NamedTuple):
    """Equal inputs with different targets.

    rows: that have an equal input with another target; groups: of equal inputs with different targets; examples: rows
    of some of them; most_right: the largest share of rows that any function of the inputs can get right.
    """

    rows: Count
    groups: int
    examples: tuple[tuple[int, ...], ...]
    most_right: float


def equal_groups(inputs: np.ndarray | Ragged, rows: np.ndarray) -> np.ndarray:
    """Number rows of inputs so that equal ones, and no others, have the same number, [n].

    Rows are compared by the BLAKE2b hash of their bytes; all NaN are equal, and so are 0 and -0.
    """
    numbers: dict[bytes, int] = {}
    digests = (hashlib.blake2b(row, digest_size=DIGEST_BYTES).digest() for row in _bytes_of(inputs, rows))
    return np.fromiter((numbers.setdefault(digest, len(numbers)) for digest in digests), np.int64, len(rows))


def _bytes_of(inputs: np.ndarray | Ragged, rows: np.ndarray) -> Iterator[bytes]:
    if isinstance(inputs, Ragged):
        yield from (_canonical(inputs.values[inputs.offsets[row] : inputs.offsets[row + 1]]).tobytes() for row in rows)
        return
    for block in blocks(inputs, rows):
        data = _canonical(block).tobytes()
        width = len(data) // len(block)
        yield from (data[number * width : (number + 1) * width] for number in range(len(block)))


def _canonical(block: np.ndarray) -> np.ndarray:
    if not np.issubdtype(block.dtype, np.floating):
        return block
    return np.asarray(np.where(np.isnan(block), block.dtype.type(np.nan), block + block.dtype.type(0)))


def duplicates(groups: np.ndarray, rows: Mapping[str, np.ndarray]) -> Duplicates:
    """Find rows that occur twice, in one split or in two.

    Args:
        groups: see `equal_groups`, of every row of the dataset.
        rows: of each split, train first.
    """
    within = {name: Count.of_rows(np.delete(own, np.unique(groups[own], return_index=True)[1]), len(own))
              for name, own in rows.items()}
    across, pairs = {}, {}
    for first, second in pairs_of(rows):
        twins = twins_in(groups, rows[first], rows[second])
        name = f"{first} in {second}"
        found = np.flatnonzero(twins >= 0)
        across[name] = Count.of_rows(rows[first][found], len(twins))
        pairs[name] = tuple(zip(rows[first][found][:MAX_LISTED].tolist(), twins[found][:MAX_LISTED].tolist(),
                                strict=True))
    return Duplicates(within, across, pairs)


def pairs_of(rows: Mapping[str, np.ndarray]) -> list[tuple[str, str]]:
    """Return the pairs of splits that must have nothing in common: what is measured on, and what came before it."""
    names = list(rows)
    return [(first, second) for number, first in enumerate(names) if first != TRAIN for second in names[:number]]


def twins_in(groups: np.ndarray, rows: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return for each row the first equal one among others, or -1."""
    first = np.full(groups.max(initial=-1) + 1, -1)
    first[groups[others][::-1]] = others[::-1]
    return np.asarray(first[groups[rows]])


def conflicts(groups: np.ndarray, targets: np.ndarray) -> Conflicts | None:
    """Find equal inputs with different targets [N]; None where there are no rows."""
    if len(groups) == 0:
        return None
    low, high = np.full(groups.max() + 1, np.inf), np.full(groups.max() + 1, -np.inf)
    np.minimum.at(low, groups, targets)
    np.maximum.at(high, groups, targets)
    differ = low < high
    rows = np.flatnonzero(differ[groups])
    first = np.unique(groups[rows])[:MAX_LISTED]
    examples = tuple(tuple(np.flatnonzero(groups == group)[:MAX_LISTED].tolist()) for group in first[:5])
    return Conflicts(Count.of_rows(rows, len(groups)), int(differ.sum()), examples, _most_right(groups, targets))


def _most_right(groups: np.ndarray, targets: np.ndarray) -> float:
    """Return Σ over groups of the count of its most frequent target, over N."""
    cells, counts = np.unique(np.stack([groups, np.unique(targets, return_inverse=True)[1]]), axis=1,
                              return_counts=True)
    most = np.zeros(groups.max() + 1, np.int64)
    np.maximum.at(most, cells[0], counts)
    return float(most.sum() / len(groups))
