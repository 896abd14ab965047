"""What a corruption of inputs is: a change with five severities, drawn for each example by its id alone.

Two models that are asked about the same examples see the same corrupted inputs, whatever their seeds, and whatever the
order and the number of examples that are asked about at once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dlx.core.random import key

SEVERITIES = (1, 2, 3, 4, 5)
# (rows, ids, level, key) → rows; see `Corruption`.
Change = Callable[[Any, np.ndarray, float, int], Any]


@dataclass(frozen=True)
class Corruption:
    """One way to spoil inputs.

    Args:
        name: as in the numbers of a report.
        levels: what the change is told at severities 1 to 5.
        text: what is done, in words; {} stands for the level.
        change: maps rows, their ids [N], a level and a 63-bit key to rows of the same type, shape and range. It draws
            from (key, id) alone, and leaves the rows that it is given as they are.
    """

    name: str
    levels: Sequence[float]
    text: str
    change: Change

    def __call__(self, rows: Any, ids: np.ndarray, severity: int) -> Any:
        """Corrupt rows.

        Args:
            rows: as the dataset gives them, an array [N, ...] or Ragged.
            ids: int64 [N].
            severity: in 1 … 5.
        """
        return self.change(rows, ids, self.levels[severity - 1], key(0, f"corruption-{self.name}", severity))
