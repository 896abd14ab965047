"""The part of a sweep that is a complete grid, where runs are missing: without the levels or seeds that lack most."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from dlx.report.sweep.axes import make_axis, readable
from dlx.report.sweep.points import Sweep

# Less than half of what was measured would be another sweep.
SMALLEST_SHARE = 0.5


def complete_part(sweep: Sweep) -> tuple[Sweep, tuple[str, ...]] | None:
    """Leave out levels and seeds, that with the largest share of missing runs first, until the rest is complete.

    Settings of which one level is left are no axes of the part.

    Returns:
        The part and what was left out, such as optimizer.lr=1; None where settings were sampled, or where less than
        half of the runs or fewer than two settings would be left.
    """
    if not sweep.is_grid and any(axis.is_sampled for axis in sweep.axes):
        return None
    part, dropped = sweep, list[str]()
    while not part.is_grid:
        choices = [choice for index in range(len(part.axes)) for choice in _levels(part, index)] + _seeds(part)
        if not choices:
            return None
        _, name, part = max(choices, key=lambda choice: choice[0])
        dropped.append(name)
    part = _without_constants(part)
    enough = _known(part).sum() >= SMALLEST_SHARE * _known(sweep).sum()
    return (part, tuple(dropped)) if enough and len(part.axes) > 1 else None


def _levels(sweep: Sweep, index: int) -> list[tuple[float, str, Sweep]]:
    """List each level of an axis of two or more with the share of its runs that is missing, and the rest without it."""
    axis = sweep.axes[index]
    size = math.prod(len(other.levels) for other in sweep.axes) // len(axis.levels) * len(sweep.seeds)
    found = []
    for level in axis.levels if len(axis.levels) > 1 else ():
        inside = np.array([point.cells[index] == level for point in sweep.points])
        rate = 1 - float(_known(sweep)[inside].sum()) / size
        if rate > 0:
            found.append((rate, f"{axis.key}={readable(level)}", _keep(sweep, ~inside)))
    return found


def _seeds(sweep: Sweep) -> list[tuple[float, str, Sweep]]:
    size = math.prod(len(axis.levels) for axis in sweep.axes)
    rates = 1 - _known(sweep).sum(axis=0) / size
    found = []
    for index, seed in enumerate(sweep.seeds):
        if rates[index] > 0 and len(sweep.seeds) > 1:
            kept = [place for place in range(len(sweep.seeds)) if place != index]
            columns = {name: column[:, kept] for name, column in sweep.columns.items()}
            shared = None if sweep.overlap is None else sweep.overlap._replace(
                divisions=tuple(sweep.overlap.divisions[place] for place in kept))
            rest = replace(sweep, seeds=tuple(sweep.seeds[place] for place in kept), columns=columns, overlap=shared)
            found.append((float(rates[index]), f"seed {seed}" if shared is None else seed, rest))
    return found


def _known(sweep: Sweep) -> np.ndarray:
    return np.isfinite(sweep.val) & np.isfinite(sweep.gap)


def _keep(sweep: Sweep, rows: np.ndarray) -> Sweep:
    points = tuple(point for point, kept in zip(sweep.points, rows, strict=True) if kept)
    axes = tuple(make_axis(axis.key, [point.cells[index] for point in points]) for index, axis in enumerate(sweep.axes))
    return replace(sweep, points=points, axes=axes, columns={name: column[rows] for name, column in
                                                             sweep.columns.items()})


def _without_constants(sweep: Sweep) -> Sweep:
    kept = [index for index, axis in enumerate(sweep.axes) if len(axis.levels) > 1]
    points = tuple(replace(point, cells=tuple(point.cells[index] for index in kept)) for point in sweep.points)
    return replace(sweep, axes=tuple(sweep.axes[index] for index in kept), points=points)
