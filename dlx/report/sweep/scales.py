"""How settings and metrics are laid out along an axis of a figure."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FixedFormatter, FixedLocator, LogLocator, MaxNLocator, NullLocator, PercentFormatter

from dlx.report import draw, words
from dlx.report.sweep.axes import LOG_SPAN, Axis, readable
from dlx.report.sweep.points import Array

MAX_TICKS, MAX_NAMES = 7, 8


def unit(metric: str) -> str:
    """Return what stands after a difference of the metric: ", in points" for shares."""
    return ", in points" if words.is_share(metric) else ""


def value_axis(axis: Any, metric: str | None, num_ticks: int = 5) -> None:
    """Set few plain ticks on a matplotlib axis; in per cent for shares."""
    axis.set_major_locator(MaxNLocator(nbins=num_ticks, steps=[1, 2, 5, 10]))
    share = metric is not None and words.is_share(metric)
    axis.set_major_formatter(PercentFormatter(1.0) if share else lambda value, _: f"{value:g}")


def is_wide(values: Array) -> bool:
    """Say whether positive values span so much that their ratios show more than their differences."""
    known = values[np.isfinite(values)]
    return bool(known.size) and float(known.min()) > 0 and float(known.max()) > LOG_SPAN * float(known.min())


def result_axis(axis: Any, metric: str, values: Array, num_ticks: int = 5) -> None:
    """Lay out a metric: logarithmic where its values span much."""
    if not is_wide(values) or words.is_share(metric):
        value_axis(axis, metric, num_ticks)
        return
    (axis.axes.set_xscale if axis.axis_name == "x" else axis.axes.set_yscale)("log")
    axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0), numticks=num_ticks + 3))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(lambda value, _: f"{value:g}")


def setting_axis(area: Axes, axis: Axis, levels: list[str]) -> None:
    """Lay the levels of a setting along x: by their numbers, or in their order."""
    if axis.scale == "log":
        area.set_xscale("log")
        area.xaxis.set_minor_locator(NullLocator())
    if axis.scale != "category":
        numbers = [axis.place(level) for level in levels]
        _margins(area, axis, min(numbers), max(numbers))
    if axis.scale == "category" or len(levels) <= MAX_TICKS:
        places = [float(index) for index in range(len(levels))] if axis.scale == "category" else numbers
        step = -(-len(levels) // MAX_NAMES)
        names = [draw.plain(readable(level), _room(levels[::step])) for level in levels[::step]]
        area.xaxis.set_major_locator(FixedLocator(places[::step]))
        area.xaxis.set_major_formatter(FixedFormatter(names))
        if axis.scale == "category":
            area.set_xlim(-0.5, len(levels) - 0.5)
    else:
        area.xaxis.set_major_locator(LogLocator(numticks=MAX_TICKS) if axis.scale == "log" else
                                     MaxNLocator(nbins=6, steps=[1, 2, 5, 10]))
        area.xaxis.set_major_formatter(lambda value, _: f"{value:g}")


def _room(levels: list[str]) -> int:
    return max(5, 40 // max(1, len(levels)))


def _margins(area: Axes, axis: Axis, low: float, high: float) -> None:
    if low == high:
        return
    if axis.scale == "log":
        factor = (high / low) ** 0.07
        area.set_xlim(low / factor, high * factor)
    else:
        margin = 0.07 * (high - low)
        area.set_xlim(low - margin, high + margin)
