"""Folds as they are typed: all of them, and those that repeat each point of a search."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dlx.config.compose import compose, parse
from dlx.core.errors import ConfigError
from dlx.core.repeats import FOLDS, repeats
from dlx.core.search import Axis

if TYPE_CHECKING:
    from hydra.core.override_parser.types import Override

ALL = "all"
# What says how many folds there are, by the key that chooses one.
COUNTS = {"split.fold": ("folds", "repeats"), "split.outer": ("outer_folds",), "split.inner": ("inner_folds",)}
# Plan.repeats and what goes with it: keys and the values that each point is repeated with.
Repeats = tuple[tuple[str, tuple[int, ...]], ...]


def asks_for_all(overrides: Sequence[str]) -> bool:
    """Say whether all folds are asked for, split.fold=all."""
    return any(text.replace(" ", "") in (f"{key}={ALL}" for key in FOLDS) for text in overrides)


def with_all_folds(root: str, overrides: Sequence[str], config_dir: Path | None) -> list[str]:
    """Write out split.fold=all as the range that it stands for.

    Args:
        root: "train", whose other overrides have one value each, or "sweep".

    Raises:
        ConfigError: the split has no folds, or several values say how many.
    """
    if not asks_for_all(overrides):
        return list(overrides)
    parsed = parse(overrides)
    given = {override.key_or_group: str(override.input_line) for override in parsed if override.is_sweep_override()}
    wanted = [override.key_or_group for override in parsed if _is_all(override)]
    varied = [given[key] for key in ("split", *(f"split.{name}" for key in wanted for name in COUNTS[key]))
              if key in given]
    if varied:
        raise ConfigError(f"{varied[0]} and {wanted[0]}={ALL}: how many folds there are must have one value")
    others = [str(override.input_line) for override in parsed if not _is_all(override)
              and (root == "train" or not override.is_sweep_override())]
    split = compose(root, others, config_dir)["split"]
    return [f"{override.key_or_group}=range({_number(split, override.key_or_group)})" if _is_all(override)
            else str(override.input_line) for override in parsed]


def _is_all(override: Override) -> bool:
    return override.key_or_group in FOLDS and not override.is_sweep_override() and override.value() == ALL


def _number(split: Mapping[str, Any], key: str) -> int:
    counts = [split.get(name) for name in COUNTS[key]]
    if key.rpartition(".")[2] not in split or not all(isinstance(count, int) for count in counts):
        raise ConfigError(f"{key}={ALL}: the split that is chosen has no such folds; choose split="
                          f"{'kfold' if key == 'split.fold' else 'nested'}")
    number = 1
    for count in counts:
        number *= count  # type: ignore[operator]
    return number


def set_apart(parsed: Sequence[Override], axes: Sequence[Axis]) -> tuple[list[Override], list[Axis], Repeats]:
    """Set axes of folds apart from those that a search chooses from: each point is repeated with all of them.

    Returns:
        The overrides, with the first of several folds; the other axes; the folds by key.

    Raises:
        ConfigError: folds that are no list of whole numbers.
    """
    apart = {axis.key: axis for axis in axes if axis.key in FOLDS}
    for axis in apart.values():
        if not axis.values or not all(type(value) is int and value >= 0 for value in axis.values):
            raise ConfigError(f"{axis.typed}: each point is repeated with every fold, so they must be a list or a "
                              f"range of whole numbers")
    rest = [parse([f"{override.key_or_group}={apart[override.key_or_group].values[0]}"])[0]
            if override.is_sweep_override() and override.key_or_group in apart else override for override in parsed]
    return (rest, [axis for axis in axes if axis.key not in apart],
            tuple((key, tuple(dict.fromkeys(axis.values))) for key, axis in apart.items()))


def refuse_outer(axes: Sequence[Axis]) -> None:
    """Refuse to choose among settings by several outer folds at once. Raises ConfigError."""
    outer = next((axis for axis in axes if axis.key == "split.outer"), None)
    if outer is not None and any(not repeats(axis.key) for axis in axes):
        raise ConfigError(f"{outer.typed}: what is best would be chosen by rows that another outer fold tests on; "
                          f"search each outer fold in a sweep of its own, split.outer=0 first")
