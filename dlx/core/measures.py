"""Numbers of a report: what they are of, how sure they are, and how they were made."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from dlx.core.intervals import Interval

Label = str | int | float


class Definition(NamedTuple):
    """What a number is, exactly enough to be computed again by somebody else.

    text: formula and conventions; source: paper or library, with year; version: counted up where the number changes.
    """

    text: str
    source: str = ""
    version: int = 1


@dataclass(frozen=True)
class Measure:
    """One number of a report.

    Args:
        name: of its definition.
        value: None where it is undefined; `method` then says why.
        split: train_eval, val or test; "" for a number that is of no split.
        checkpoint: best, last or initial; "" for a number that is of no checkpoint.
        of: what else it is of, such as {"layer": "layers.0"}, {"class": "3"} or {"epsilon": 0.1}.
        low, high: its interval at `level`; None where it has none.
        method: how the interval was made.
        n: examples that it was measured on; num_draws: of a bootstrap or another simulation.
    """

    name: str
    value: float | None
    split: str = ""
    checkpoint: str = "best"
    of: Mapping[str, Label] = field(default_factory=dict)
    low: float | None = None
    high: float | None = None
    method: str | None = None
    level: float | None = None
    n: int = 0
    num_draws: int = 0

    def __post_init__(self) -> None:
        for name in ("value", "low", "high"):
            number = getattr(self, name)
            # JSON has no other numbers.
            object.__setattr__(self, name, float(number) if number is not None and math.isfinite(number) else None)

    def within(self, interval: Interval) -> Measure:
        """Return the number with its interval."""
        return Measure(self.name, self.value, self.split, self.checkpoint, self.of, interval.low, interval.high,
                       interval.method, interval.level, interval.n, interval.num_draws)


@dataclass(frozen=True)
class Measures:
    """What a section measured of a run.

    Args:
        numbers: each named in the DEFINITIONS of the section's module.
        details: what figures and tables need beside them, as JSON holds it.
        skipped: what was not measured, and why, a sentence each.
        settings: arguments of the section; seconds: that measuring took.
        definitions: of the numbers, as they were when they were measured.
    """

    numbers: Sequence[Measure] = ()
    details: Mapping[str, Any] = field(default_factory=dict)
    skipped: Sequence[str] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    seconds: float = 0.0
    definitions: Mapping[str, Definition] = field(default_factory=dict)

    def find(self, name: str, split: str = "", checkpoint: str = "best", **of: Label) -> Measure | None:
        """Return the number of a name, split and checkpoint, and of exactly what else is given; None without one."""
        return next((item for item in self.numbers if (item.name, item.split, item.checkpoint) ==
                     (name, split, checkpoint) and dict(item.of) == of), None)

    def every(self, name: str, **of: Label) -> list[Measure]:
        """Return all numbers of a name that are, among others, of what is given; split and checkpoint count as such."""
        return [item for item in self.numbers if item.name == name
                and of.items() <= {**item.of, "split": item.split, "checkpoint": item.checkpoint}.items()]
