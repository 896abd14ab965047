"""Train rows that are there twice are left out."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import Literal

import numpy as np

from dlx.core.errors import ConfigError
from dlx.core.ragged import Ragged
from dlx.core.types import TaskSpec


class DropDuplicates:
    """Of train rows with the same inputs and the same target only the first stays; val and test stay as they are.

    Missing values are the same as each other.

    Args:
        conflicting: rows with the same inputs and different targets: "keep" one of each target, or "drop" them all.
    """

    def __init__(self, conflicting: Literal["keep", "drop"]) -> None:
        self.conflicting = conflicting

    def select(self, inputs: np.ndarray | Ragged, targets: np.ndarray, spec: TaskSpec) -> np.ndarray:
        """Return the indices of the train rows to keep, ascending.

        Raises:
            ConfigError: none stays.
        """
        targets_of: dict[bytes, dict[bytes, int]] = {}
        for row, (digest, target) in enumerate(zip(_digests(inputs), _digests(targets), strict=True)):
            targets_of.setdefault(digest, {}).setdefault(target, row)
        most = 1 if self.conflicting == "drop" else len(targets)
        kept = sorted(row for found in targets_of.values() if len(found) <= most for row in found.values())
        if not kept:
            raise ConfigError("preprocessing.drop_duplicates.conflicting=drop leaves no train row, since each is there "
                              "with different targets: set it to keep")
        return np.array(kept, np.int64)

    def fit(self, inputs: np.ndarray, targets: np.ndarray, spec: TaskSpec) -> dict[str, np.ndarray]:
        """Return no statistics."""
        return {}

    def apply(self, inputs: np.ndarray, statistics: Mapping[str, np.ndarray]) -> np.ndarray:
        """Return the inputs unchanged."""
        return inputs


def _digests(rows: np.ndarray | Ragged) -> Iterator[bytes]:
    """Yield 16 bytes for each row, which are the same for the same values alone."""
    for row in rows.items() if isinstance(rows, Ragged) else rows:
        # 0 and -0 are one number of two bytes.
        values = row + 0 if np.issubdtype(row.dtype, np.floating) else row
        yield hashlib.blake2b(np.ascontiguousarray(values).tobytes(), digest_size=16).digest()
