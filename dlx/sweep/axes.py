"""From overrides with several values to the axes of a search."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dlx.config import options
from dlx.config.compose import add_problem, package_problem, plain
from dlx.config.schema import SURROUNDINGS, SWEEPING, UNHASHED
from dlx.core.errors import ConfigError
from dlx.core.search import Axis

if TYPE_CHECKING:
    from hydra.core.override_parser.types import IntervalSweep, Override

# One more value than a grid may have is enough to refuse it.
MAX_VALUES = 100_001


def refuse_axes(parsed: Sequence[Override]) -> None:
    """Refuse what several values cannot be given for, or what would be lost where they are typed out."""
    axes = [override for override in parsed if override.is_sweep_override()]
    problems = [f"{override.input_line}: {override.key_or_group} is one for the whole sweep; give one value"
                for override in axes
                if override.key_or_group.split(".")[0] in (*SURROUNDINGS, *SWEEPING)]
    problems += [f"{override.input_line}: {override.key_or_group} is no part of the experiment, so runs that differ by "
                 f"it alone would be one run; give one value"
                 for override in axes if override.key_or_group in (*UNHASHED, "device")]
    problems += [package_problem(override) for override in axes if override.package is not None]
    problems += [add_problem(override.key_or_group) for override in axes
                 if override.is_add() and not override.is_force_add() and "." in override.key_or_group]
    if problems:
        raise ConfigError(*problems)


def read_axes(parsed: Sequence[Override], folders: Sequence[Path]) -> list[Axis]:
    """Return the axes among parsed overrides, in their order. Raises ConfigError with all that are none."""
    axes: list[Axis] = []
    problems: list[str] = []
    for override in parsed:
        if override.is_sweep_override():
            try:
                axes.append(_axis(override, folders))
            except ConfigError as error:
                problems += error.problems
    if problems:
        raise ConfigError(*problems)
    return axes


def _axis(override: Override, folders: Sequence[Path]) -> Axis:
    from hydra.core.override_parser.types import ChoiceSweep, Glob, Override, RangeSweep

    key, typed = override.key_or_group, str(override.input_line)
    value: Any = override.value()
    if override.is_interval_sweep():
        return _interval(key, typed, value)
    _refuse_tags(typed, getattr(value, "tags", ()), ())
    if isinstance(value, Glob):
        names = value.filter(options.options(key, folders))
        if not names:
            raise ConfigError(f"{typed} matches no option of {key}")
        return Axis(key, typed, tuple(names), tuple(names))
    assert isinstance(value, ChoiceSweep | RangeSweep), value
    # Read here, because Hydra's own iterator shuffles by the global state of random.
    many: Iterable[Any] = value.list if isinstance(value, ChoiceSweep) else value.range()
    items = list(islice(many, MAX_VALUES))
    if not items:
        raise ConfigError(f"{typed} has no values")
    texts = tuple(Override._get_value_element_as_str(item) for item in items)
    return Axis(key, typed, tuple(map(plain, items)), texts, ordered=isinstance(value, RangeSweep),
                shuffled=value.shuffle)


def _interval(key: str, typed: str, interval: IntervalSweep) -> Axis:
    _refuse_tags(typed, interval.tags, ("log",))
    low, high, log = interval.start, interval.end, "log" in interval.tags
    assert low is not None, typed
    assert high is not None, typed
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise ConfigError(f"{typed}: an interval goes from a finite number to a greater one")
    if log and low <= 0:
        raise ConfigError(f"{typed}: an interval that is tagged log must begin above 0")
    return Axis(key, typed, low=low, high=high, log=log)


def _refuse_tags(typed: str, tags: Iterable[str], known: Sequence[str]) -> None:
    strange = sorted(set(tags) - {*known})
    if strange:
        raise ConfigError(f"{typed}: the tag {strange[0]} has no meaning here; tag(log,interval(…)) is the only one")


def text_of(axis: Axis, at: int | float) -> str:
    """Write a coordinate as the override that gives it."""
    return f"{axis.key}={at!r}" if axis.is_interval else f"{axis.key}={axis.texts[int(at)]}"


def value_of(axis: Axis, at: int | float) -> Any:
    """Return the value of a coordinate."""
    return at if axis.is_interval else axis.values[int(at)]


def ends(axis: Axis) -> list[int | float]:
    """Return the coordinates whose values show that a key takes them all: every value, or both ends of an interval."""
    return [axis.low, axis.high] if axis.is_interval else list(range(len(axis.values)))
