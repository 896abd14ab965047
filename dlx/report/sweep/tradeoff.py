"""How good against how much is lost between train and val: the configurations that no other beats in both."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from dlx.report import draw, words
from dlx.report.section import Figure, Section, Table
from dlx.report.sweep.basis import basis, runs_and_points
from dlx.report.sweep.points import Array, Sweep, mean_over_seeds
from dlx.report.sweep.scales import result_axis, unit

MAX_ROWS = 15
# Pixels within which a second label would cover the first.
NEAR = (16.0, 12.0)


def section(sweep: Sweep) -> Section | None:
    """Draw val against the gap, and name the front."""
    if len(sweep.order) < 2:
        return None
    val, gap = (mean_over_seeds(values) for values in (sweep.val, sweep.gap))
    if not np.isfinite(gap[list(sweep.order)]).any():
        return None
    front = pareto_front(-val if sweep.greater_is_better else val, np.abs(gap))
    with draw.style():
        figure = _figure(sweep, val, gap, front)
    rest = len(front) - MAX_ROWS
    return Section(
        key="tradeoff", title="Val against the gap",
        sentences=(f"{words.count(len(front), 'configuration')} of {len(sweep.order):,} "
                   f"{'is' if len(front) == 1 else 'are'} on the front: no other is better on val and has a gap closer "
                   f"to 0.", *((f"The table shows {MAX_ROWS}; {rest:,} more.",) if rest > 0 else ())),
        notes=basis(f"Pareto front of the means over {sweep.repetition}s: val as it ranks, and the distance of "
                    f"the gap from 0.",
                     runs_and_points(sweep),
                     "whether neighbours on the front really differ: means alone decide who is on it. A small gap is "
                     "no "
                     "merit of a model that learned nothing."),
        figures=(figure,), parts=(_members(sweep, front),), values={"front": [sweep.name(point) for point in front]})


def pareto_front(cost: Array, distance: Array) -> tuple[int, ...]:
    """List the points that no other beats: at most the same in both and less in one; cheapest first, NaN never.

    Args:
        cost: [P], less is better.
        distance: [P], less is better.
    """
    known = np.flatnonzero(np.isfinite(cost) & np.isfinite(distance))
    front: list[int] = []
    for point in known[np.lexsort((distance[known], cost[known]))]:
        last = front[-1] if front else None
        same = last is not None and cost[point] == cost[last] and distance[point] == distance[last]
        if last is None or distance[point] < distance[last] or same:
            front.append(int(point))
    return tuple(front)


def _members(sweep: Sweep, front: tuple[int, ...]) -> Section:
    columns = ("rank", "configuration", "val", "gap", "train_eval")
    rows = tuple(_row(sweep, point) for point in front[:MAX_ROWS])
    return Section("front", "The front", tables=(Table("Configurations on the front, best val first", columns, rows),))


def _row(sweep: Sweep, point: int) -> tuple[str, ...]:
    return (str(sweep.order.index(point) + 1), sweep.name(point), sweep.estimate("val", point).written(sweep.metric),
            sweep.estimate("gap", point).difference(sweep.metric),
            sweep.estimate("train_eval", point).written(sweep.metric))


def _figure(sweep: Sweep, val: Array, gap: Array, front: tuple[int, ...]) -> Figure:
    name = words.label(sweep.metric)
    canvas = draw.figure(8.9, 4.0)
    area = draw.axes(canvas, (0.95, 0.55, 0.3, 0.7), "", f"gap in {name}{unit(sweep.metric)}", f"val {name}")
    shown = (100.0 if words.is_share(sweep.metric) else 1.0) * gap
    area.axvline(0, color=draw.GREY, linewidth=1.0)
    order = list(sweep.order)
    rest = [point for point in order if point not in front]
    dots: dict[str, Any] = {"linestyle": "", "marker": "o", "markeredgecolor": "white", "markeredgewidth": 0.6}
    area.plot(shown[rest], val[rest], color=draw.GREY, alpha=0.6, markersize=6, label="other configurations", **dots)
    _front_line(area, shown, val, front)
    area.plot(shown[list(front)], val[list(front)], color=draw.VERMILLION, markersize=8, label="Pareto front", **dots)
    result_axis(area.yaxis, sweep.metric, val[order])
    _ranks(area, sweep, shown, val, front)
    area.xaxis.set_major_locator(MaxNLocator(nbins=8, steps=[1, 2, 5, 10]))
    area.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    canvas.legend(*area.get_legend_handles_labels(), loc="upper left", ncols=2, borderaxespad=0, borderpad=0,
                  bbox_to_anchor=(0.95 / 8.9, 1 - 0.2 / 4.0))
    return Figure("val_against_gap", draw.png(canvas), _alt(sweep, front),
                  f"Means over {sweep.repetition}s; {sweep.better} is better on val, the grey line is no gap. Numbers "
                  f"are ranks in the leaderboard.")


def _ranks(area: Axes, sweep: Sweep, gap: Array, val: Array, front: tuple[int, ...]) -> None:
    """Write the ranks of the front beside its dots, but none over another."""
    written: list[tuple[float, float]] = []
    for point in front:
        x, y = (float(place) for place in area.transData.transform((gap[point], val[point])))
        if all(abs(x - left) > NEAR[0] or abs(y - low) > NEAR[1] for left, low in written):
            written.append((x, y))
            area.annotate(f"{sweep.order.index(point) + 1}", (gap[point], val[point]), (6, 5),
                          textcoords="offset points", fontsize=9, color=draw.INK)


def _front_line(area: Axes, gap: Array, val: Array, front: tuple[int, ...]) -> None:
    # Each side of 0 has its own line: between them there is nothing to trade.
    for side in (1.0, -1.0):
        members = [point for point in front if np.copysign(1.0, gap[point]) == side]
        area.plot(gap[members], val[members], color=draw.VERMILLION, linewidth=1.3, alpha=0.6)


def _alt(sweep: Sweep, front: tuple[int, ...]) -> str:
    first, last = front[0], front[-1]
    return (f"Val against gap for {words.count(len(sweep.order), 'configuration')}. The front goes from "
            f"{sweep.name(first)}, gap {sweep.estimate('gap', first).difference(sweep.metric)}, to {sweep.name(last)}, "
            f"gap {sweep.estimate('gap', last).difference(sweep.metric)}.")
