"""Every seed as a dot, by configuration."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from dlx.report import draw, words
from dlx.report.section import Figure
from dlx.report.sweep.axes import readable
from dlx.report.sweep.estimates import Estimate
from dlx.report.sweep.points import Array, Sweep
from dlx.report.sweep.scales import result_axis

ROW_HEIGHT = 0.36
# How far over its mean a run stands, in rows.
ABOVE = 0.24


def make_figure(sweep: Sweep, spreads: Sequence[tuple[int, Array, Estimate]]) -> Figure:
    """Draw the val of configurations: single seeds, mean and interval."""
    height = 1.15 + ROW_HEIGHT * len(spreads)
    canvas = draw.figure(8.9, height)
    area = draw.axes(canvas, (2.9, 0.55, 0.3, 0.55), "", sweep.ranked_by, "")
    places = np.arange(len(spreads))
    # Of two seeds the interval reaches far beyond all that is drawn.
    every = np.concatenate([values for _, values, _ in spreads])
    result_axis(area.xaxis, sweep.metric, every)
    runs = [(value, place - ABOVE) for place, (_, values, _) in enumerate(spreads) for value in values]
    bounds = [(place, mean.low, mean.high) for place, (_, _, mean) in enumerate(spreads)
              if mean.low is not None and mean.high is not None]
    area.plot(*zip(*runs, strict=True), linestyle="", marker="o", markersize=5, color=draw.GREY, alpha=0.6,
              markeredgewidth=0, label="one run")
    if bounds:
        area.hlines(*zip(*bounds, strict=True), color=draw.COLORS["val"], linewidth=2.0,
                    label="95% interval of the mean")
    area.plot([float(values.mean()) for _, values, _ in spreads], places, linestyle="", marker="D", markersize=6,
              color=draw.COLORS["val"], markeredgecolor="white", markeredgewidth=0.6, label="mean")
    _limits(area, every)
    area.set_ylim(len(spreads) - 0.4, -0.6)
    area.set_yticks(places, [draw.plain(_label(sweep, point), 36) for point, _, _ in spreads])
    area.tick_params(axis="y", length=0)
    canvas.legend(*area.get_legend_handles_labels(), loc="upper left", ncols=3, borderaxespad=0, borderpad=0,
                  bbox_to_anchor=(0.2 / 8.9, 1 - 0.12 / height))
    point, values, _ = max(spreads, key=lambda item: float(np.ptp(item[1])))
    low, high = (words.measured(sweep.metric, float(bound)) for bound in (values.min(), values.max()))
    alt = (f"{words.title(sweep.ranked_by)} of {words.count(len(spreads), 'configuration')}, one dot a run. The widest "
           f"range is that of {sweep.name(point)}: {low} to {high}.")
    return Figure("seeds", draw.png(canvas), alt, f"Best first; {sweep.better} is better. An interval that leaves the "
                                                  f"picture is wider than what runs were seen to do.")


def _label(sweep: Sweep, point: int) -> str:
    return " · ".join(readable(cell) for cell in sweep.points[point].cells) or "all runs"


def _limits(area: Axes, every: Array) -> None:
    """Show the seeds, and as much beside them as half of their range."""
    low, high = float(every.min()), float(every.max())
    if low == high:
        return
    if area.get_xscale() == "log":
        factor = (high / low) ** 0.35
        area.set_xlim(low / factor, high * factor)
    else:
        area.set_xlim(low - 0.35 * (high - low), high + 0.35 * (high - low))
