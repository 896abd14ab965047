"""A sweep's results as arrays. Shape letters: P points (configurations without their seed), S seeds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product

import numpy as np
from numpy.typing import NDArray

from dlx.report import words
from dlx.report.sweep.axes import Axis, make_axis
from dlx.report.sweep.estimates import Estimate, estimate
from dlx.report.sweep.files import DONE, SEED, Run, SweepFiles

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Point:
    """A configuration without its seed, and its runs in the plan's order."""

    cells: tuple[str, ...]
    runs: tuple[Run, ...]

    @property
    def num_done(self) -> int:
        """Count the runs that are done."""
        return sum(run.status == DONE for run in self.runs)


@dataclass(frozen=True)
class Sweep:
    """What the sections look at.

    Args:
        axes: what varies beside the seed.
        points: in the plan's order.
        seeds: as written; one unnamed where the seed does not vary.
        metric: ranks, by its mean on val.
        greater_is_better: for that metric.
    """

    files: SweepFiles
    axes: tuple[Axis, ...]
    points: tuple[Point, ...]
    seeds: tuple[str, ...]
    metric: str
    greater_is_better: bool

    def values(self, split: str, metric: str | None = None) -> Array:
        """Return a column of runs.csv as [P, S], NaN where no run is done; split "gap" is the gap on val."""
        column = f"{split}_{self.metric if metric is None else metric}"
        found = np.full((len(self.points), len(self.seeds)), math.nan)
        for row, point in enumerate(self.points):
            for place, run in zip(_places(point.runs, self.seeds), point.runs, strict=True):
                value = run.values.get(column) if run.status == DONE else None
                found[row, place] = math.nan if value is None else value
        return found

    @cached_property
    def val(self) -> Array:
        """The ranking metric on val [P, S]."""
        return self.values("val")

    @cached_property
    def gap(self) -> Array:
        """Its gap on val [P, S]."""
        return self.values("gap")

    @cached_property
    def order(self) -> tuple[int, ...]:
        """The points with a finite mean on val, best first; ties in the plan's order."""
        means = mean_over_seeds(self.val)
        key = -means if self.greater_is_better else means
        return tuple(int(index) for index in np.argsort(key, kind="stable") if math.isfinite(means[index]))

    @cached_property
    def is_grid(self) -> bool:
        """Say whether every combination of levels was measured, with the same seeds."""
        cells = {point.cells for point in self.points}
        size = math.prod(len(axis.levels) for axis in self.axes)
        complete = bool(np.isfinite(self.val).all() and np.isfinite(self.gap).all())
        return complete and size == len(self.points) and cells == set(product(*(axis.levels for axis in self.axes)))

    def estimate(self, split: str, point: int, metric: str | None = None) -> Estimate:
        """Return the mean over seeds of a point, with its interval."""
        return estimate(self.values(split, metric)[point])

    def name(self, point: int) -> str:
        """Name a configuration as it is typed."""
        pairs = zip(self.axes, self.points[point].cells, strict=True)
        return " ".join(f"{axis.key}={cell or 'none'}" for axis, cell in pairs) or "the only configuration"

    @property
    def better(self) -> str:
        """The word for the good direction."""
        return "higher" if self.greater_is_better else "lower"

    @property
    def ranked_by(self) -> str:
        """The ranking metric in words."""
        return f"val {words.label(self.metric)}"

    @property
    def num_done(self) -> int:
        """Count the runs that are done."""
        return sum(point.num_done for point in self.points)


def mean_over_seeds(values: Array) -> Array:
    """Return the mean of what is known per row; NaN where nothing is."""
    known = np.isfinite(values)
    counts = known.sum(axis=1)
    totals = np.where(known, values, 0.0).sum(axis=1)
    return np.where(counts > 0, totals / np.maximum(counts, 1), math.nan)


def make_sweep(files: SweepFiles) -> Sweep:
    """Group the runs that differ by seed alone."""
    keys = [key for key in files.keys if key != SEED]
    grouped: dict[tuple[str, ...], list[Run]] = {}
    for run in files.runs:
        grouped.setdefault(tuple(run.cells[key] for key in keys), []).append(run)
    axes = tuple(make_axis(key, [cells[index] for cells in grouped]) for index, key in enumerate(keys))
    points = tuple(Point(cells, tuple(runs)) for cells, runs in grouped.items())
    rule = files.selection
    metric = rule.removeprefix("best_val_") if rule.startswith("best_val_") else "loss"
    return Sweep(files, axes, points, _seeds(points), metric, files.greater_is_better.get(metric, False))


def _seeds(points: Sequence[Point]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for point in points for name in _seed_names(point.runs)))


def _seed_names(runs: Sequence[Run]) -> list[str]:
    """Name the repetitions of a point; runs that differ by nothing that is shown are told apart by their number."""
    names: list[str] = []
    for run in runs:
        seed = run.cells.get(SEED, "")
        repeated = sum(name.partition(" again ")[0] == seed for name in names)
        names.append(f"{seed} again {repeated}" if repeated else seed)
    return names


def _places(runs: Sequence[Run], seeds: Sequence[str]) -> list[int]:
    places = {seed: index for index, seed in enumerate(seeds)}
    return [places[name] for name in _seed_names(runs)]
