"""A sweep along one of its settings: one curve for each combination of the others. P points, S seeds."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from matplotlib.ticker import FixedFormatter, FixedLocator, LogLocator, NullLocator

from dlx.report import draw, words
from dlx.report.sections.capacity import large
from dlx.report.summary import HEADLINES
from dlx.report.sweep.axes import readable, short_names
from dlx.report.sweep.files import metrics
from dlx.report.sweep.points import Array, Sweep

MAX_SLICES = 6
COLORS = (draw.VERMILLION, draw.BLUE, draw.GREEN, draw.ORANGE, draw.INK, draw.GREY)


class Slice(NamedTuple):
    """Points that differ by one setting alone, in its ascending order; name: of what they share, "" for nothing."""

    name: str
    points: tuple[int, ...]


def slices(sweep: Sweep, index: int, fewest: int) -> list[Slice]:
    """Cut a sweep along a setting into pieces of at least `fewest` ranked points, that with the best point first."""
    grouped: dict[tuple[str, ...], list[int]] = {}
    for point in sweep.order:
        cells = sweep.points[point].cells
        grouped.setdefault((*cells[:index], *cells[index + 1 :]), []).append(point)
    axis = sweep.axes[index]
    keys = short_names([other.key for other in sweep.axes if other is not axis])
    found = []
    for cells, points in grouped.items():
        points.sort(key=lambda point: axis.place(sweep.points[point].cells[index]))
        name = " ".join(f"{key}={readable(cell)}" for key, cell in zip(keys, cells, strict=True))
        found.append(Slice(name, tuple(points)))
    return [own for own in found if len(own.points) >= fewest]


def not_shown(found: list[Slice]) -> tuple[str, ...]:
    """Say how many curves are left out."""
    rest = len(found) - MAX_SLICES
    return (f"Shown are the best {MAX_SLICES} of {len(found):,} curves.",) if rest > 0 else ()


def shown_metrics(sweep: Sweep) -> tuple[str, ...]:
    """List the metric that ranks, and the first headline beside it."""
    known = metrics(sweep.files.runs)
    beside = [name for name in HEADLINES if name in known and name != sweep.metric]
    return (sweep.metric, *beside[:1])


def is_greater_better(sweep: Sweep, metric: str) -> bool:
    """Say which way a metric is good."""
    return sweep.files.greater_is_better.get(metric, False)


def as_error(sweep: Sweep, metric: str, values: Array) -> Array:
    """Turn values of a metric into errors: 1 minus those of a metric whose best value is 1, else themselves."""
    return 1.0 - values if is_greater_better(sweep, metric) else values


def error_name(sweep: Sweep, metric: str) -> str:
    """Name the error on val: 1 - val accuracy, val loss."""
    return f"1 - val {words.label(metric)}" if is_greater_better(sweep, metric) else f"val {words.label(metric)}"


def capital(text: str) -> str:
    """Begin a sentence."""
    return text[:1].upper() + text[1:]


def spread_of(sweep: Sweep, num_repetitions: int) -> float:
    """Return by what deviations grow because folds share examples, the correction of Nadeau and Bengio 2003."""
    return math.sqrt(1 + num_repetitions * (0.0 if sweep.overlap is None else sweep.overlap.ratios["val"]))


def common_seeds(values: Array) -> Array:
    """Keep the columns of values [P, S] that every row has; their means, as one column, where fewer than 2 are left."""
    shared = values[:, np.isfinite(values).all(axis=0)]
    if shared.shape[1] > 1:
        return shared
    counts = np.isfinite(values).sum(axis=1)
    totals = np.where(np.isfinite(values), values, 0.0).sum(axis=1)
    return np.asarray(np.where(counts > 0, totals / np.maximum(counts, 1), np.nan))[:, None]


def sizes_axis(axis: Any, values: Array, spread: float = 2.0) -> None:
    """Lay out counts on a logarithmic axis: ticks at these counts, less those that would touch another."""
    kept: list[float] = []
    for value in sorted({float(value) for value in values}):
        if not kept or value >= spread * kept[-1]:
            kept.append(value)
    axis.set_major_locator(FixedLocator(kept))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FixedFormatter([large(value) for value in kept]))


def errors_axis(axis: Any, metric: str, values: Array) -> None:
    """Lay out errors on a logarithmic axis: ticks at 1, 2, 5, in per cent for shares."""
    low, high = float(values.min()), float(values.max())
    subs = (1.0, 2.0, 5.0) if high < 200 * low else (1.0,)
    axis.set_major_locator(LogLocator(subs=subs, numticks=12))
    axis.set_minor_locator(NullLocator())
    share = words.is_share(metric)
    axis.set_major_formatter(lambda value, _: f"{100 * value:.3g}%" if share else f"{value:.3g}")
