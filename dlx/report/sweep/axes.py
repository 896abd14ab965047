"""What varies in a sweep: each setting's levels, and the scale to show them on."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Scale = Literal["category", "linear", "log"]
# From here on, values that span so much are compared by their ratios.
LOG_SPAN = 8.0
MANY_LEVELS = 8
LONG_CELL = 6


@dataclass(frozen=True)
class Axis:
    """One hyperparameter.

    Args:
        key: as it is typed.
        levels: cells that occur, numbers ascending, else in the plan's order.
        numbers: the levels as numbers, or empty where they are none.
        scale: linear or log for numbers, category for names, and for numbers such as 0, 1e-4, 1e-3.
    """

    key: str
    levels: tuple[str, ...]
    numbers: tuple[float, ...]
    scale: Scale

    @property
    def is_sampled(self) -> bool:
        """Say whether it has so many values that they are shown in bins where they make no grid."""
        return bool(self.numbers) and len(self.levels) > MANY_LEVELS

    @property
    def is_geometric(self) -> bool:
        """Say whether three levels or more grow by one ratio."""
        ratios = [after / before for before, after in itertools.pairwise(self.numbers) if before > 0]
        return 1 < len(ratios) == len(self.numbers) - 1 and max(ratios) - min(ratios) < 1e-6 * max(ratios)

    @property
    def is_arithmetic(self) -> bool:
        """Say whether three levels or more grow by one step."""
        steps = [after - before for before, after in itertools.pairwise(self.numbers)]
        return len(steps) > 1 and max(steps) - min(steps) < 1e-6 * max(steps)

    def place(self, cell: str) -> float:
        """Return where a cell lies on the axis: its number, or the rank of its level."""
        index = self.levels.index(cell)
        return float(index) if self.scale == "category" else self.numbers[index]


def make_axis(key: str, cells: Sequence[str]) -> Axis:
    """Describe the values that a setting takes."""
    found = list(dict.fromkeys(cells))
    parsed = [_number(cell) for cell in found]
    numbers = [number for number in parsed if number is not None]
    if len(numbers) < len(found) or len(set(numbers)) < len(found):
        return Axis(key, tuple(found), (), "category")
    order = sorted(range(len(found)), key=numbers.__getitem__)
    values = tuple(numbers[index] for index in order)
    return Axis(key, tuple(found[index] for index in order), values, _scale(values))


def _number(cell: str) -> float | None:
    try:
        value = float(cell)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _scale(values: Sequence[float]) -> Scale:
    positive = [value for value in values if value > 0]
    if len(positive) < 2 or not _spread(positive):
        return "linear"
    if len(positive) == len(values):
        return "log"
    return "category" if len(values) <= MANY_LEVELS else "linear"


def _spread(values: Sequence[float]) -> bool:
    """Say whether ascending positive values are spaced more evenly in their logarithms."""
    if values[-1] < LOG_SPAN * values[0]:
        return False
    return _largest_step(list(map(math.log, values))) <= _largest_step(values) + 1e-9


def _largest_step(values: Sequence[float]) -> float:
    steps = [after - before for before, after in itertools.pairwise(values)]
    return max(steps) / (values[-1] - values[0])


def readable(cell: str) -> str:
    """Write a cell for people: sampled numbers with four digits, nothing as none."""
    number = _number(cell)
    if number is None or len(cell) <= LONG_CELL:
        return cell or "none"
    return f"{number:.4g}"


def short_names(keys: Sequence[str]) -> tuple[str, ...]:
    """Shorten keys for figures to their last word, where that tells them apart."""
    last = [key.rpartition(".")[2] for key in keys]
    return tuple(name if last.count(name) == 1 else key for name, key in zip(last, keys, strict=True))
