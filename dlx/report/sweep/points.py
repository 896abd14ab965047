"""A sweep's results as arrays. Shape letters: P points (configurations without seeds and folds), S seeds or folds."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product

import numpy as np
from numpy.typing import NDArray

from dlx.core.overlap import Overlap, overlap
from dlx.core.repeats import FOLDS, SEED, is_seed, repeats
from dlx.report import words
from dlx.report.sweep.axes import Axis, make_axis, readable
from dlx.report.sweep.estimates import Estimate, estimate
from dlx.report.sweep.files import DONE, Run, SweepFiles

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Point:
    """A configuration without its seed and fold, and its runs in the plan's order."""

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
        axes: what varies beside seeds and folds.
        points: in the plan's order.
        seeds: what repeats each point, as written, folds as "fold 0"; one unnamed where nothing does.
        metric: ranks, by its mean on val.
        greater_is_better: for that metric.
        columns: of runs.csv, each [P, S], NaN where no run is done.
        overlap: of the seeds [S] where they are folds; None where they are not.
    """

    files: SweepFiles
    axes: tuple[Axis, ...]
    points: tuple[Point, ...]
    seeds: tuple[str, ...]
    metric: str
    greater_is_better: bool
    columns: Mapping[str, Array]
    overlap: Overlap | None = None

    def values(self, split: str, metric: str | None = None) -> Array:
        """Return a column of runs.csv as [P, S], NaN where no run is done; split "gap" is the gap on val."""
        column = f"{split}_{self.metric if metric is None else metric}"
        nothing = np.full((len(self.points), len(self.seeds)), math.nan)
        return self.columns.get(column, nothing)

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
    def to_best(self) -> Mapping[int, Estimate]:
        """By point: its mean difference to the best on val, over the seeds that both have, with its interval."""
        return {point: self.estimated(self.val[point] - self.val[self.order[0]]) for point in self.order}

    @cached_property
    def is_grid(self) -> bool:
        """Say whether every combination of levels was measured, with the same seeds."""
        cells = {point.cells for point in self.points}
        size = math.prod(len(axis.levels) for axis in self.axes)
        complete = bool(np.isfinite(self.val).all() and np.isfinite(self.gap).all())
        return complete and size == len(self.points) and cells == set(product(*(axis.levels for axis in self.axes)))

    def places(self, point: int) -> list[int]:
        """Return the column of each run of a point among the seeds."""
        return [self.seeds.index(name) for name in _seed_names(self.points[point].runs)]

    def estimate(self, split: str, point: int, metric: str | None = None) -> Estimate:
        """Return the mean over seeds or folds of a point, with its interval."""
        return self.estimated(self.values(split, metric)[point], split)

    def estimated(self, values: Array, split: str = "val") -> Estimate:
        """Return the mean of values [S] of a split, with its interval."""
        return estimate(values, split, self.overlap)

    @property
    def repetition(self) -> str:
        """What a point is repeated with: seed or fold."""
        return "seed" if self.overlap is None else "fold"

    @property
    def is_cross_validation(self) -> bool:
        """Say whether it is one configuration over folds: then there is nothing to rank."""
        return self.overlap is not None and not self.axes

    @property
    def interval(self) -> str:
        """What intervals are, in words."""
        if self.overlap is not None:
            return "95% t interval over folds, corrected for their overlap (Nadeau and Bengio 2003)"
        crossed = sum(map(is_seed, self.files.keys)) > 1
        return "95% t interval over seeds" + (", as if runs that share one were independent" if crossed else "")

    def name(self, point: int) -> str:
        """Name a configuration as it is typed."""
        pairs = zip(self.axes, self.points[point].cells, strict=True)
        return " ".join(f"{axis.key}={readable(cell)}" for axis, cell in pairs) or "the only configuration"

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
    """Group the runs that differ by seed or fold alone."""
    keys = [key for key in files.keys if not repeats(key)]
    grouped: dict[tuple[str, ...], list[Run]] = {}
    for run in files.runs:
        grouped.setdefault(tuple(run.cells[key] for key in keys), []).append(run)
    axes = tuple(make_axis(key, [cells[index] for cells in grouped]) for index, key in enumerate(keys))
    points = tuple(Point(cells, tuple(runs)) for cells, runs in grouped.items())
    rule = files.selection
    metric = rule.removeprefix("best_val_") if rule.startswith("best_val_") else "loss"
    named = [_seed_names(point.runs) for point in points]
    seeds = tuple(dict.fromkeys(name for names in named for name in names))
    columns = _columns(points, [[seeds.index(name) for name in names] for names in named], len(seeds))
    shared = None
    if any(key in FOLDS for key in files.keys):
        divisions = {name: run.division for point, names in zip(points, named, strict=True)
                     for name, run in zip(names, point.runs, strict=True)}
        shared = overlap([divisions[name] for name in seeds], [files.num_examples])
    return Sweep(files, axes, points, seeds, metric, files.greater_is_better.get(metric, False), columns, shared)


def _columns(points: Sequence[Point], places: Sequence[Sequence[int]], num_seeds: int) -> dict[str, Array]:
    """Collect every column of the table in an array of its own."""
    names = points[0].runs[0].values if points else ()
    columns = {name: np.full((len(points), num_seeds), math.nan) for name in names}
    for row, (point, seeds) in enumerate(zip(points, places, strict=True)):
        for run, seed in zip(point.runs, seeds, strict=True):
            for name, value in run.values.items():
                if value is not None and run.status == DONE:
                    columns[name][row, seed] = value
    return columns


def _seed_names(runs: Sequence[Run]) -> list[str]:
    """Name the repetitions of a point; runs that differ by nothing that is shown are told apart by their number."""
    names: list[str] = []
    for run in runs:
        folds = [f"{key.rpartition('.')[2]} {run.cells[key]}" for key in FOLDS if key in run.cells]
        seeds = [f"{key} {cell}" for key, cell in run.cells.items() if is_seed(key)]
        own = run.cells[SEED] if [*seeds, *folds] == [f"seed {run.cells.get(SEED)}"] else ", ".join([*seeds, *folds])
        repeated = sum(name.partition(" again ")[0] == own for name in names)
        names.append(f"{own} again {repeated}" if repeated else own)
    return names
