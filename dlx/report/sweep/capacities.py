"""Errors of a sweep by the number of parameters. P points, K capacities of a curve, S seeds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from dlx.measure.curve_shape import Shape, shape
from dlx.report.summary import Summary
from dlx.report.sweep.details import history_of, summary_of
from dlx.report.sweep.estimates import LEVEL
from dlx.report.sweep.points import Array, Sweep, mean_over_seeds
from dlx.report.sweep.slices import MAX_SLICES, Slice, as_error, common_seeds, shown_metrics, slices, spread_of

FEWEST = 3
# Belkin et al. 2019: the threshold is where train examples are fitted, all but one in a thousand.
SMALL_ERROR, SMALL_LOSS = 1e-3, 1e-3


class Curves(NamedTuple):
    """Errors of one configuration by capacity, in ascending order of parameters.

    parameters: [K]; train, val: errors [K, S] after the last epoch, or at the selected checkpoint where there is no
    history; selected: on val at the selected checkpoint [K, S]; fitted: capacity at which train is fitted, None where
    none is; equal: at which parameters are as many as train's targets, None where those are unknown.
    """

    piece: Slice
    metric: str
    parameters: Array
    train: Array
    val: Array
    selected: Array
    fitted: float | None
    equal: float | None
    shape: Shape
    gap_shape: Shape

    @property
    def is_selected_other(self) -> bool:
        """Say whether another epoch than the last was selected anywhere."""
        return not np.allclose(self.selected, self.val, equal_nan=True)


def all_curves(sweep: Sweep) -> tuple[list[Slice], list[Curves], bool]:
    """Return the pieces of a sweep along its capacity, their curves by metric, and whether these are of the last epoch.

    Nothing where no setting changes the number of parameters.
    """
    # First what costs nothing: a random search has no curves, and many summaries.
    if not any(axis.numbers and slices(sweep, index, FEWEST) for index, axis in enumerate(sweep.axes)):
        return [], [], False
    sizes = _parameters(sweep)
    pieces = _pieces(sweep, sizes)
    if not pieces:
        return [], [], False
    ended = _histories(sweep, pieces)
    names = [metric for metric in shown_metrics(sweep) if np.isfinite(_values_of(sweep, ended, "train_eval", metric)[
        list(pieces[0].points)]).any()]
    found = [_curves(sweep, piece, metric, sizes, ended) for metric in names for piece in pieces[:MAX_SLICES]]
    return pieces, found, ended is not None


def _parameters(sweep: Sweep) -> Array:
    """Return the parameters of the points [P], of their first run that is done; NaN where there is none."""
    found = []
    for point in sweep.points:
        own = next(filter(None, (summary_of(sweep, run) for run in point.runs)), None)
        found.append(math.nan if own is None or own.num_parameters is None else float(own.num_parameters))
    return np.array(found)


def _pieces(sweep: Sweep, sizes: Array) -> list[Slice]:
    """Cut the sweep along the number whose levels all differ in parameters, the one that spans most of them."""
    best: list[Slice] = []
    widest = 1.0
    for index, axis in enumerate(sweep.axes):
        found = slices(sweep, index, FEWEST) if axis.numbers else []
        found = [Slice(own.name, tuple(sorted(own.points, key=lambda point: sizes[point]))) for own in found
                 if np.isfinite(sizes[list(own.points)]).all() and len(set(sizes[list(own.points)])) == len(own.points)]
        span = max((sizes[own.points[-1]] / sizes[own.points[0]] for own in found), default=0.0)
        if span > widest:
            best, widest = found, span
    return best


def _histories(sweep: Sweep, pieces: Sequence[Slice]) -> dict[str, Array] | None:
    """Return the columns of the last epoch [P, S] of the points on curves; None where a run has no epochs."""
    columns: dict[str, Array] = {}
    for point in (point for piece in pieces[:MAX_SLICES] for point in piece.points):
        for run, seed in zip(sweep.points[point].runs, sweep.places(point), strict=True):
            history = history_of(sweep, run)
            if history is not None and not history.num_epochs:
                return None
            for name in () if history is None else history.columns:
                value = history.last(name) if history is not None else None
                own = columns.setdefault(name, np.full(sweep.val.shape, math.nan))
                own[point, seed] = math.nan if value is None else value
    return columns


def _values_of(sweep: Sweep, ended: dict[str, Array] | None, split: str, metric: str) -> Array:
    """Return errors [P, S] after the last epoch; at the selected checkpoint where a metric is not measured then."""
    name = f"{split}_{metric}"
    values = sweep.values(split, metric) if ended is None or name not in ended else ended[name]
    return as_error(sweep, metric, values)


def _curves(sweep: Sweep, piece: Slice, metric: str, sizes: Array, ended: dict[str, Array] | None) -> Curves:
    rows = list(piece.points)
    train, val = (_values_of(sweep, ended, split, metric)[rows] for split in ("train_eval", "val"))
    selected = as_error(sweep, metric, sweep.values("val", metric)[rows])
    summary = next(filter(None, (summary_of(sweep, run) for run in sweep.points[rows[0]].runs)))
    paired = [common_seeds(values) for values in (val, val - train)]
    shapes = [shape(values, LEVEL, spread_of(sweep, values.shape[1])) for values in paired]
    return Curves(piece, metric, sizes[rows], train, val, selected, _fitted(sweep, rows, sizes[rows], ended),
                  _equal(summary), *shapes)


def _fitted(sweep: Sweep, rows: list[int], sizes: Array, ended: dict[str, Array] | None) -> float | None:
    """Return the smallest capacity whose mean error on train is below 0.1%, or loss a thousandth of the first's."""
    accuracy = "accuracy" if "train_eval_accuracy" in sweep.columns else None
    means = mean_over_seeds(_values_of(sweep, ended, "train_eval", accuracy or "loss")[rows])
    reached = np.flatnonzero(means < SMALL_ERROR if accuracy else means < SMALL_LOSS * means[0])
    return float(sizes[reached[0]]) if reached.size else None


def _equal(summary: Summary) -> float | None:
    """Return train examples times outputs: what an interpolating linear model needs (Belkin et al. 2019)."""
    outputs = {"classification": len(summary.class_names), "regression": 1}.get(summary.task, 0)
    return float(summary.num_examples.get("train", 0) * outputs) or None
