"""Analysis of variance of a complete grid: shares of settings, their interactions and the seed."""

from __future__ import annotations

import math
from itertools import combinations
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dlx.report.sweep.points import Array, Sweep

Grid = NDArray[np.float64]


class Term(NamedTuple):
    """A part of the variance over all runs.

    axes: which settings it is of, none for seed and rest; share: of the sum of squares, None where all is equal;
    f, p: test against the rest, None without repetitions.
    """

    name: str
    axes: tuple[int, ...]
    degrees: int
    share: float | None
    f: float | None
    p: float | None


def to_grid(sweep: Sweep, values: Array) -> Grid:
    """Reshape [P, S] of a complete grid to [levels of axis 1, …, levels of axis k, S]; S may be 1, for means."""
    shape = tuple(len(axis.levels) for axis in sweep.axes)
    grid = np.empty((*shape, values.shape[1]))
    for point, row in zip(sweep.points, values, strict=True):
        place = tuple(axis.levels.index(cell) for axis, cell in zip(sweep.axes, point.cells, strict=True))
        grid[place] = row
    return grid


def decompose(grid: Grid, names: tuple[str, ...]) -> tuple[Term, ...]:
    """Split the variance of a complete design with seeds as blocks (Montgomery 2012, ch. 4 and 5).

    Terms: each setting, each pair, higher interactions together where there are three settings or more, the seed, and
    the rest, which is the seed's interaction with all else and the error of the tests.

    Args:
        grid: [L1, …, Lk, S].
        names: of the settings.
    """
    num_axes, num_seeds = grid.ndim - 1, grid.shape[-1]
    axes = tuple(range(num_axes))
    squares = {subset: _squares(grid, subset) for size in (1, 2) for subset in combinations(axes, size)}
    for pair in combinations(axes, 2):
        squares[pair] -= squares[pair[:1]] + squares[pair[1:]]
    total, cells = float(((grid - grid.mean()) ** 2).sum()), _squares(grid, axes)
    seed = _squares(grid, (num_axes,)) if num_seeds > 1 else 0.0
    points = math.prod(grid.shape[:-1])
    error = (max(0.0, total - cells - seed), (points - 1) * (num_seeds - 1))
    found = [(" × ".join(names[axis] for axis in subset), subset, _degrees(grid, subset), value)
             for subset, value in squares.items()]
    if num_axes > 2:
        degrees = points - 1 - sum(item[2] for item in found)
        found.append(("higher interactions", (), degrees, cells - sum(squares.values())))
    terms = [_term(item, total, error) for item in found]
    if num_seeds > 1:
        terms += [_term(("seed", (), num_seeds - 1, seed), total, error),
                  Term("rest (seed × settings)", (), error[1], _share(error[0], total), None, None)]
    return tuple(terms)


def _squares(grid: Grid, kept: tuple[int, ...]) -> float:
    others = tuple(axis for axis in range(grid.ndim) if axis not in kept)
    means = grid.mean(axis=others) if others else grid
    return float(((means - grid.mean()) ** 2).sum() * (grid.size / means.size))


def _degrees(grid: Grid, subset: tuple[int, ...]) -> int:
    return math.prod(grid.shape[axis] - 1 for axis in subset)


def _share(squares: float, total: float) -> float | None:
    return max(0.0, squares) / total if total > 0 else None


def _term(item: tuple[str, tuple[int, ...], int, float], total: float, error: tuple[float, int]) -> Term:
    from scipy.special import fdtrc

    name, axes, degrees, squares = item
    if error[1] == 0 or degrees == 0 or error[0] <= 1e-12 * total:
        return Term(name, axes, degrees, _share(squares, total), None, None)
    ratio = max(0.0, squares) / degrees / (error[0] / error[1])
    return Term(name, axes, degrees, _share(squares, total), ratio, float(fdtrc(degrees, error[1], ratio)))
