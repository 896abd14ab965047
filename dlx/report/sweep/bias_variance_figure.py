"""The picture of bias and variance: stacked along the one setting that varies, or as bars."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

from dlx.measure.bias_variance import ZeroOne
from dlx.report import draw, words
from dlx.report.section import Figure
from dlx.report.sweep.axes import Axis
from dlx.report.sweep.scales import setting_axis, value_axis

if TYPE_CHECKING:
    from dlx.report.sweep.bias_variance import Found

WIDTH = 8.9
ROW_HEIGHT = 0.3
MAX_FLAT = 4
PARTS = (("bias", draw.BLUE), ("variance", draw.ORANGE))


def figure(found: Sequence[Found], axis: Axis | None) -> Figure:
    """Draw the loss as bias and variance, and for classes the errors beside it."""
    name = "MSE" if found[0].errors is None else "NLL"
    canvas = _bars(found, name) if axis is None else _along(found, axis, name)
    named = {label: handle for area in canvas.axes for handle, label in zip(*area.get_legend_handles_labels(),
                                                                            strict=True)}
    ordered = [label for label in ("bias", "variance", "error") if label in named]
    canvas.legend([named[label] for label in ordered], ordered, loc="upper left", ncols=3, borderaxespad=0, borderpad=0,
                  bbox_to_anchor=(0.2 / WIDTH, 1 - 0.1 / canvas.get_size_inches()[1]))
    variance = "" if axis is None else "; beside it variance on a scale of its own"
    errors = "" if found[0].errors is None else (
        " Right: errors do not add up, as variance on examples whose main prediction is wrong can help.")
    return Figure("bias_variance", draw.png(canvas), _alt(found, name),
                  f"Bias and variance on test, stacked: together they are the runs' mean {name}{variance}.{errors}")


def _means(found: Sequence[Found]) -> tuple[np.ndarray, np.ndarray]:
    return (np.array([float(own.parts.bias.mean()) for own in found]),
            np.array([float(own.parts.variance.mean()) for own in found]))


def _along(found: Sequence[Found], axis: Axis, name: str) -> Canvas:
    ordered = sorted(found, key=lambda own: axis.place(own.group.cells[axis.key]))
    levels = [own.group.cells[axis.key] for own in ordered]
    places = np.array([axis.place(level) for level in levels])
    titles = [f"Test {name}", "Its variance", *([] if found[0].errors is None else ["Test errors (0–1)"])]
    # Side by side there is room for few levels in one line.
    is_crowded = len(levels) > MAX_FLAT
    canvas = draw.figure(WIDTH, 3.8 if is_crowded else 3.6)
    areas = _side_by_side(canvas, titles, axis.key, 0.8 if is_crowded else 0.6)
    bias, variance = _means(ordered)
    areas[0].fill_between(places, bias, color=draw.BLUE, linewidth=0, label="bias")
    areas[0].fill_between(places, bias, bias + variance, color=draw.ORANGE, linewidth=0, label="variance")
    areas[1].plot(places, variance, color=draw.ORANGE, marker="o", markersize=5)
    for area in areas[2:]:
        _error_lines(area, ordered, places)
    for number, area in enumerate(areas):
        area.set_ylim(bottom=0)
        value_axis(area.yaxis, "error_rate" if number == 2 else None)
        setting_axis(area, axis, levels)
        if is_crowded:
            area.tick_params(axis="x", rotation=45)
    return canvas


def _side_by_side(canvas: Canvas, titles: Sequence[str], xlabel: str, bottom: float) -> list[Axes]:
    """Add areas of one width with room for tick labels between them."""
    step = (WIDTH - 0.15) / len(titles)
    boxes = [(0.7 + number * step, bottom, WIDTH - 0.05 - (number + 1) * step, 0.75) for number in range(len(titles))]
    return [draw.axes(canvas, box, title, xlabel, "") for box, title in zip(boxes, titles, strict=True)]


def _error_lines(area: Axes, found: Sequence[Found], places: np.ndarray) -> None:
    zeros = [own.errors for own in found if own.errors is not None]
    for label, color, heights in (
            ("error", draw.INK, [zero.loss.mean() for zero in zeros]),
            ("", draw.BLUE, [zero.bias.mean() for zero in zeros]),
            ("", draw.ORANGE, [zero.variance.mean() for zero in zeros])):
        area.plot(places, heights, color=color, marker="o", markersize=5, label=label)


def _bars(found: Sequence[Found], name: str) -> Canvas:
    canvas = draw.figure(WIDTH, 1.4 + ROW_HEIGHT * max(2, len(found)))
    rows = np.arange(len(found))
    zeros = [own.errors for own in found if own.errors is not None]
    left = draw.axes(canvas, (2.75, 0.4, 3.2 if zeros else 0.4, 0.75), f"Test {name}", "", "")
    start = np.zeros(len(found))
    for (label, color), values in zip(PARTS, _means(found), strict=True):
        left.barh(rows, values, left=start, height=0.62, color=color, label=label)
        start = start + values
    value_axis(left.xaxis, None)
    areas = [left]
    if zeros:
        areas.append(draw.axes(canvas, (6.1, 0.4, 0.3, 0.75), "Test errors (0–1)", "", ""))
        _error_dots(areas[1], zeros, rows)
    for area in areas:
        area.set_ylim(max(2, len(found)) - 0.4, -0.6)
        area.tick_params(axis="y", length=0)
        area.set_yticks(rows, [""] * len(found))
    left.set_yticks(rows, [draw.plain(own.group.label, 33) for own in found])
    return canvas


def _error_dots(area: Axes, zeros: Sequence[ZeroOne], rows: np.ndarray) -> None:
    for values, color in (([zero.bias.mean() for zero in zeros], draw.BLUE),
                          ([zero.variance.mean() for zero in zeros], draw.ORANGE)):
        area.plot(values, rows, linestyle="", marker="o", color=color)
    area.plot([zero.loss.mean() for zero in zeros], rows, linestyle="", marker="|", markersize=11, markeredgewidth=2,
              color=draw.INK, label="error")
    area.set_xlim(left=0)
    value_axis(area.xaxis, "error_rate", 4)


def _alt(found: Sequence[Found], name: str) -> str:
    told = [f"{own.group.name}: bias {words.number(float(own.parts.bias.mean()))}, variance "
            f"{words.number(float(own.parts.variance.mean()))}" for own in found[:5]]
    more = f"; and {len(found) - 5} more" if len(found) > 5 else ""
    return f"Test {name} as bias and variance. {'; '.join(told)}{more}."
