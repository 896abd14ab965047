"""What is checked, and which of its rows. N rows, D features, C classes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from dlx.core.ragged import Ragged
from dlx.core.random import numpy_generator
from dlx.core.types import PER_POSITION, Kind, TaskSpec

TRAIN, HELD_OUT = "train", ("val", "test")
# Of a list of rows, so many are written down; the count beside it is of all.
MAX_LISTED = 20
# Of every check that asks whether something could be chance.
ALPHA = 0.01


def one_target(targets: np.ndarray, kind: Kind) -> np.ndarray | None:
    """Return one target of each row, [N]: a class or a value, of multilabel the number of its set of labels.

    None of sequences and transcriptions, whose targets are many.
    """
    if kind == "multilabel":
        return np.unique(targets, axis=0, return_inverse=True)[1].reshape(len(targets))
    return None if kind in PER_POSITION else targets


class Data(NamedTuple):
    """A dataset that was divided.

    given: inputs as the dataset gives them, [N, ...]; targets [N, ...] and notes [N] of the same rows; spec: of
    them; rows: row numbers of each split, train first; prepared: reads inputs of a split after preprocessing, by their
    places among its rows; prepared_spec: of those; is_on_disk: inputs are too large for memory.
    """

    given: np.ndarray | Ragged
    targets: np.ndarray
    notes: Mapping[str, np.ndarray]
    spec: TaskSpec
    rows: Mapping[str, np.ndarray]
    prepared: Mapping[str, Callable[[np.ndarray], np.ndarray | Ragged]]
    prepared_spec: TaskSpec
    is_on_disk: bool = False

    @property
    def held_out(self) -> tuple[str, ...]:
        """The splits that are not trained on."""
        return tuple(name for name in HELD_OUT if name in self.rows)


class Count(NamedTuple):
    """So many rows out of how many, with the first few."""

    found: int
    of: int
    rows: tuple[int, ...] = ()

    @classmethod
    def of_rows(cls, rows: np.ndarray, total: int) -> Count:
        """Count rows of a split."""
        return cls(len(rows), total, tuple(np.sort(rows)[:MAX_LISTED].tolist()))


def sample(num_rows: int, most: int, purpose: str) -> np.ndarray:
    """Choose at most so many of N positions, ascending: always the same ones for the same purpose."""
    if num_rows <= most:
        return np.arange(num_rows)
    return np.sort(numpy_generator(0, f"hygiene-{purpose}", num_rows).choice(num_rows, most, replace=False))


def plain(value: Any) -> Any:
    """Turn results into what JSON holds: tuples with names become mappings, what is not finite becomes None."""
    if hasattr(value, "_asdict"):
        return {name: plain(item) for name, item in value._asdict().items()}
    if isinstance(value, Mapping):
        return {str(name): plain(item) for name, item in value.items()}
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [plain(item) for item in value]
    if isinstance(value, np.generic):
        return plain(value.item())
    return None if isinstance(value, float) and not np.isfinite(value) else value
