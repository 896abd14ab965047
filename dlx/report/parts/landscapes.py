"""Figures of the loss around the weights: a plane through them, and the lines between checkpoints."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure as Canvas
from matplotlib.ticker import MaxNLocator, NullFormatter

from dlx.core.measures import Measures
from dlx.report import draw, words
from dlx.report.section import Figure

SIZE = (8.9, 3.9)
LEFT, RIGHT = (0.85, 0.55, 4.75, 0.5), (5.2, 0.55, 0.3, 0.5)
ALONE_SIZE, ALONE = (5.6, 3.9), (0.85, 0.55, 0.3, 0.5)
PLANE_SIZE = (8.9, 4.5)
ABOVE, BELOW, PLANE = (0.85, 2.1, 4.9, 0.5), (0.85, 0.55, 4.9, 3.0), (4.9, 0.75, 1.15, 0.9)
LEVELS = 14


def figures(found: Measures) -> Iterator[Figure]:
    """Draw what there is."""
    plane = found.details.get("plane")
    if plane is not None and _numbers(plane["losses"]).size and np.isfinite(_numbers(plane["losses"])).any():
        yield _plane(found, plane)
    for title, path in found.details.get("paths", {}).items():
        if all(np.isfinite(_numbers(own["losses"])).any() for own in path.values()):
            yield _path(title, path)


def _numbers(values: Any) -> np.ndarray:
    return np.array(values, dtype=np.float64)


def _plane(found: Measures, plane: Mapping[str, Any]) -> Figure:
    places, losses = _numbers(plane["places"]), _numbers(plane["losses"])
    canvas, middle = draw.figure(*PLANE_SIZE), len(places) // 2
    title, below = "Two lines through the weights", "distance, in norms of the filters"
    if "errors" in plane:
        _lines(draw.axes(canvas, ABOVE, title, "", "loss"), places, losses)
        area = draw.axes(canvas, BELOW, "", below, "error")
        _lines(area, places, _numbers(plane["errors"]))
        area.set_ylim(bottom=0)
        area.yaxis.set_major_formatter(_percent)
    else:
        area = draw.axes(canvas, (*ABOVE[:1], *BELOW[1:3], ABOVE[3]), title, below, "loss")
        _lines(area, places, losses)
    canvas.axes[0].legend(loc="upper center")
    _contours(canvas, places, losses)
    clean, far = float(losses[middle, middle]), found.find("loss_rise", "train_eval", distance=float(places[-1]))
    end = "" if far is None or far.value is None else (
        f" At distance {places[-1]:g} along two random directions it is {words.number(clean + far.value)} on average.")
    return Figure("loss_landscape", draw.png(canvas),
                  f"Loss around the weights: {words.number(clean)} in the middle.{end}",
                  "The loss, and where there is one the error, on train examples around the weights, along two random "
                  "directions whose filters have the norms of those of the model; on the right, the loss on the plane "
                  "that they span, the weights at the cross. Another draw of directions gives another picture.")


def _lines(area: Axes, places: np.ndarray, values: np.ndarray) -> None:
    middle = len(places) // 2
    area.axvline(0, color=draw.GREY, linewidth=1.0)
    area.plot(places, values[middle], color=draw.BLUE, label="direction 1")
    area.plot(places, values[:, middle], color=draw.VERMILLION, label="direction 2", linestyle=(0, (5, 1.5)))
    _scale(area, values[middle], values[:, middle])


def _scale(area: Axes, *curves: np.ndarray) -> None:
    if draw.widely_spread(*curves):
        area.set_yscale("log")
        area.yaxis.set_minor_formatter(NullFormatter())
    else:
        area.yaxis.set_major_locator(MaxNLocator(nbins=6, steps=[1, 2, 2.5, 5, 10]))
    area.yaxis.set_major_formatter(_plain)


def _plain(value: float, _: float) -> str:
    return f"{value:g}"


def _percent(value: float, _: float) -> str:
    return f"{100 * value:g}%"


def _contours(canvas: Canvas, places: np.ndarray, losses: np.ndarray) -> None:
    area = draw.axes(canvas, PLANE, "The plane that they span", "direction 1", "direction 2")
    shown = np.ma.masked_invalid(losses)
    low, high = float(shown.min()), float(shown.max())
    is_log = low > 0 and high > 10 * low
    if high > low:
        levels = np.geomspace(low, high, LEVELS) if is_log else np.linspace(low, high, LEVELS)
        filled = area.contourf(places, places, shown, levels=levels, cmap="cividis",
                               norm=LogNorm(low, high) if is_log else None)
        ticks = levels[[0, LEVELS // 3, 2 * LEVELS // 3, -1]]
        width, height = canvas.get_size_inches()
        beside = canvas.add_axes((1 - 1.0 / width, PLANE[1] / height, 0.15 / width,
                                  (height - PLANE[1] - PLANE[3]) / height))
        bar = canvas.colorbar(filled, cax=beside, ticks=ticks)
        bar.ax.set_yticklabels([words.number(float(value)) for value in ticks])
        bar.ax.minorticks_off()
        bar.set_label("loss")
    area.plot([0], [0], color="white", marker="x", markersize=8, markeredgewidth=2)
    area.grid(visible=False)
    area.set_aspect("equal")


def _path(title: str, path: Mapping[str, Any]) -> Figure:
    both = all("accuracies" in own for own in path.values())
    canvas = draw.figure(*(SIZE if both else ALONE_SIZE))
    start, end = title.split(" to ")
    _panel(draw.axes(canvas, LEFT if both else ALONE, "Loss", f"share of the way from {start} to {end}", "loss"), path,
           "losses")
    if both:
        area = draw.axes(canvas, RIGHT, "Accuracy", f"share of the way from {start} to {end}", "accuracy")
        _panel(area, path, "accuracies")
        area.yaxis.set_major_formatter(_percent)
    ends = [f"{split} loss goes from {words.number(_numbers(own['losses'])[0])} to "
            f"{words.number(_numbers(own['losses'])[-1])}, at most {words.number(np.nanmax(_numbers(own['losses'])))}"
            for split, own in path.items()]
    return Figure(f"path_{start}_to_{end}", draw.png(canvas),
                  f"Along the straight path from {start} to {end} weights, {'; '.join(ends)}.",
                  f"The loss along the straight path from the {start} to the {end} checkpoint, statistics of "
                  f"normalizations interpolated like weights. A hill between the ends is a barrier.")


def _panel(area: Axes, path: Mapping[str, Any], name: str) -> None:
    curves = {split: (_numbers(own["shares"]), _numbers(own[name])) for split, own in path.items()}
    for split, (shares, values) in curves.items():
        area.plot(shares, values, color=draw.COLORS[split], label=split,
                  linestyle="-" if split == "train_eval" else (0, (5, 1.5)))
    _scale(area, *(values for _, values in curves.values()))
    area.set_xlim(0, 1)
    area.legend(loc="best")
