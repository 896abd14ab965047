"""Every configuration as a line through its settings to its result."""

from __future__ import annotations

import math

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from numpy.typing import NDArray

from dlx.report import draw, words
from dlx.report.section import Figure, Section
from dlx.report.sweep.axes import Axis, readable, short_names
from dlx.report.sweep.basis import basis, runs_and_points
from dlx.report.sweep.points import Array, Sweep, mean_over_seeds
from dlx.report.sweep.scales import is_wide

MAX_AXES = 9
MAX_LABELS = 8
HEIGHT = 4.2


def section(sweep: Sweep) -> Section | None:
    """Draw them, where there are at least three to compare."""
    if not sweep.axes or len(sweep.order) < 3:
        return None
    with draw.style():
        figure = _figure(sweep)
    return Section(key="parallel", title="All configurations at a glance", figures=(figure,), notes=basis(
        "one line per configuration, from setting to setting, then to its mean on val and its mean gap.",
        runs_and_points(sweep), "how sure a single line is; see the intervals of the leaderboard."))


def _figure(sweep: Sweep) -> Figure:
    axes = sweep.axes[:MAX_AXES]
    columns = [np.array([_height(axis, sweep.points[point].cells[index]) for point in sweep.order])
               for index, axis in enumerate(axes)]
    results = [mean_over_seeds(values)[list(sweep.order)] for values in (sweep.val, sweep.gap)]
    lines = np.stack([*_apart(columns), *(_unit(_scaled(values)) for values in results)])
    canvas = draw.figure(8.9, HEIGHT)
    area = draw.axes(canvas, (0.75, 0.35, 0.75, 0.55), "", "", "")
    _lines(area, lines)
    for place, (axis, name) in enumerate(zip(axes, short_names([axis.key for axis in axes]), strict=True)):
        _spine(area, place, draw.plain(name, 16), _ticks(axis))
    for place, (values, name) in enumerate(zip(results, (sweep.ranked_by, "gap"), strict=True), len(axes)):
        _spine(area, place, draw.plain(name, 16), _value_ticks(values, sweep.metric, name == "gap"))
    _frame(area, len(lines))
    more = len(sweep.axes) - len(axes)
    return Figure("parallel_coordinates", draw.png(canvas), _alt(sweep),
                  "Colour is the rank: the brighter (yellow), the better on val; the best is drawn black. Follow the "
                  "bright "
                  f"lines to see which levels they share.{f' {MAX_AXES} settings are shown.' if more else ''}")


def _height(axis: Axis, cell: str) -> float:
    if axis.scale == "category":
        return (axis.levels.index(cell) + 0.5) / len(axis.levels)
    low, high, value = (math.log(number) if axis.scale == "log" else number
                        for number in (axis.numbers[0], axis.numbers[-1], axis.place(cell)))
    return 0.5 if high == low else (value - low) / (high - low)


def _apart(columns: list[Array]) -> list[Array]:
    """Move lines that meet in one level a little apart, by rank, so that each can be followed."""
    moved = []
    for column in columns:
        shift = np.zeros(len(column))
        for value in np.unique(column):
            members = np.flatnonzero(column == value)
            shift[members] = np.linspace(0.025, -0.025, len(members)) if len(members) > 1 else 0.0
        moved.append(column + shift)
    return moved


def _unit(values: Array) -> NDArray[np.float64]:
    known = values[np.isfinite(values)]
    low, high = (float(known.min()), float(known.max())) if known.size else (0.0, 0.0)
    return np.full(len(values), 0.5) if high == low else (values - low) / (high - low)


def _scaled(values: Array) -> Array:
    return np.log(values) if is_wide(values) else values


def _lines(area: Axes, lines: NDArray[np.float64]) -> None:
    number = lines.shape[1]
    rank = np.linspace(1, 0, number)
    paths = [np.column_stack([np.arange(len(lines)), lines[:, index]]) for index in range(number)]
    drawn = LineCollection(paths[::-1], array=rank[::-1], cmap="viridis", linewidth=1.1 if number > 100 else 1.6,
                           alpha=0.35 if number > 300 else 0.8)
    area.add_collection(drawn)
    area.plot(np.arange(len(lines)), lines[:, 0], color="black", linewidth=2.4)


def _ticks(axis: Axis) -> list[tuple[float, str]]:
    if axis.scale == "category" or len(axis.levels) <= MAX_LABELS:
        step = -(-len(axis.levels) // (2 * MAX_LABELS))
        return [(_height(axis, level), draw.plain(readable(level), 12)) for level in axis.levels[::step]]
    ends = [axis.numbers[0], axis.numbers[-1]]
    middle = math.sqrt(ends[0] * ends[1]) if axis.scale == "log" else sum(ends) / 2
    return [(place, f"{number:.3g}") for place, number in zip((0.0, 0.5, 1.0), (ends[0], middle, ends[1]), strict=True)]


def _value_ticks(values: Array, metric: str, is_gap: bool) -> list[tuple[float, str]]:
    known = values[np.isfinite(values)]
    if not known.size:
        return []
    low, high = float(known.min()), float(known.max())
    if low == high:
        return [(0.5, _written(metric, low, is_gap))]
    ends = _scaled(np.array([low, high]))
    places = (0.0, 0.25, 0.5, 0.75, 1.0)
    numbers = [float(ends[0] + place * (ends[1] - ends[0])) for place in places]
    shown = map(math.exp, numbers) if is_wide(known) else numbers
    return [(place, _written(metric, value, is_gap)) for place, value in zip(places, shown, strict=True)]


def _written(metric: str, value: float, is_gap: bool) -> str:
    return words.difference(metric, value, None, None) if is_gap else words.measured(metric, value)


def _spine(area: Axes, place: int, name: str, ticks: list[tuple[float, str]]) -> None:
    area.axvline(place, color=draw.GREY, linewidth=1.0, zorder=3)
    area.text(place, 1.09, name, ha="center", va="bottom", fontweight="bold", fontsize=9.5)
    for height, text in ticks:
        area.plot([place], [height], marker="_", color=draw.INK, markersize=7, zorder=4)
        area.text(place + 0.04, height, text, fontsize=8, va="center", zorder=5,
                  bbox={"facecolor": "white", "alpha": 0.75, "edgecolor": "none", "pad": 0.8})


def _frame(area: Axes, number: int) -> None:
    area.set_xlim(-0.05, number - 1 + 0.05)
    area.set_ylim(-0.05, 1.05)
    area.axis("off")


def _alt(sweep: Sweep) -> str:
    return (f"Parallel coordinates of {words.count(len(sweep.order), 'configuration')} over "
            f"{words.count(len(sweep.axes), 'setting')}; the best is {sweep.name(sweep.order[0])}.")
