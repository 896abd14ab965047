"""What a search sees: axes to choose from, and what came of the points that it asked for before."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal, NamedTuple, Protocol

from dlx.core.ranges import Range

Direction = Literal["minimize", "maximize"]
# As typed: one or several; null leaves the choice to the selection rule and its metric.
Objective = str | list[str] | None
Directions = Direction | list[Direction] | None
# A point of a search: per axis the index of a value, or the number itself where the axis is an interval.
Position = tuple[int | float, ...]


NumTrials = Annotated[int, Range("[1, 100000]")]


class Axis(NamedTuple):
    """A key that varies.

    Args:
        key: as it is typed, `optimizer.lr` or `model`.
        typed: the whole override, for messages.
        values: what the key may be; empty for an interval.
        texts: each value as it is typed after `key=`.
        low, high: the ends of an interval, both included; whole numbers where it is one of whole numbers.
        log: whether the interval is drawn from in its logarithm.
        ordered: whether the values are steps of a range, which a model of the objective may interpolate between.
        shuffled: whether a grid takes the values in a random order; other searches draw, and have none.
    """

    key: str
    typed: str
    values: tuple[Any, ...] = ()
    texts: tuple[str, ...] = ()
    low: float | int = 0
    high: float | int = 0
    log: bool = False
    ordered: bool = False
    shuffled: bool = False

    @property
    def is_interval(self) -> bool:
        """Whether the axis has no list of values."""
        return not self.values


class Trial(NamedTuple):
    """A point that was asked for, and what came of it.

    Args:
        position: where it is.
        batch: number of the batch that asked for it, from 0.
        values: one per objective; None where a run failed, diverged, or logged no such number.
    """

    position: Position
    batch: int
    values: tuple[float, ...] | None


class Search(Protocol):
    """A rule that asks for points. A pure function: the same axes and trials give the same points."""

    objective: Objective
    direction: Directions

    def ask(self, axes: Sequence[Axis], trials: Sequence[Trial], directions: Sequence[Direction]) -> list[Position]:
        """Return the next batch, empty where the search is over.

        Args:
            axes: what varies.
            trials: all that was asked for before, complete, in order.
            directions: one per objective.

        Raises:
            ConfigError: axes or objectives that this search cannot do.
        """
        ...


def next_batch(trials: Sequence[Trial]) -> int:
    """Return the number of the batch that comes after these trials."""
    return trials[-1].batch + 1 if trials else 0
