"""Errors by the number of parameters, and where the model can fit every train example. K capacities, S seeds."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from dlx.report import draw, words
from dlx.report.section import Figure, Section, Table
from dlx.report.sections.capacity import large
from dlx.report.sweep.basis import basis, runs_and_points
from dlx.report.sweep.capacities import Curves, all_curves
from dlx.report.sweep.points import Array, Sweep, mean_over_seeds
from dlx.report.sweep.scales import unit, value_axis
from dlx.report.sweep.slices import (
    COLORS,
    capital,
    error_name,
    errors_axis,
    not_shown,
    sizes_axis,
)

WIDTH, ROW = 8.9, 2.7
TOLD = {"peak": "has a peak", "dip": "is U-shaped", "falls": "falls, and no rise is told from noise",
        "rises": "rises, and no fall is told from noise",
        "flat": "has no shape that is told from noise", "unknown": "has one value for each size"}
CANNOT = (
    "that parameters are the cause: width and depth change more than their number, and other learning rates may suit "
    "other sizes. A peak can hide between two sizes, and early stopping, regularization and clean labels flatten it "
    "(Nakkiran et al. 2020).")


def section(sweep: Sweep) -> Section | None:
    """Draw errors along the setting that changes the number of parameters most, and say what shape they have."""
    pieces, found, ended = all_curves(sweep)
    if not found:
        return None
    when = "after the last epoch" if ended else "at the selected checkpoint"
    with draw.style():
        figure = _figure(sweep, found, when)
    return Section(
        key="capacity_curve", title="Capacity curve",
        sentences=(*_sentences(sweep, found[0], when), *not_shown(pieces)), points=tuple(_remarks(sweep, found)),
        tables=tuple(_table(sweep, own, folded=number > 1) for number, own in enumerate(found)), figures=(figure,),
        notes=basis(_method(sweep, when), runs_and_points(sweep), CANNOT),
        values={"measured": when, "curves": [_plain(own) for own in found]})


def _sentences(sweep: Sweep, own: Curves, when: str) -> Iterator[str]:
    of = f" of {own.piece.name}" if own.piece.name else ""
    name = capital(error_name(sweep, own.metric)) + of
    means = mean_over_seeds(own.val)

    def at(place: int) -> str:
        return f"{words.measured(own.metric, float(means[place]))} at {_count(own.parameters[place])}"

    found = own.shape
    first, last = 0, len(means) - 1
    if found.kind == "peak":
        double = ", a double descent" if found.is_double_descent else ""
        yield (f"{name} {when} has a peak{double}: {at(found.place)}, above {at(found.before)} "
               f"({_ratio(own, found.place, found.before)}) and {at(found.after)} "
               f"({_ratio(own, found.place, found.after)}){_beside(own)}.")
    elif found.kind == "dip":
        yield (f"{name} {when} is U-shaped: lowest with {at(found.place)}, below {at(found.before)} "
               f"({_ratio(own, found.before, found.place)}) and {at(found.after)} "
               f"({_ratio(own, found.after, found.place)}).")
    elif found.kind in ("falls", "rises"):
        other = "rise" if found.kind == "falls" else "fall"
        lowest = int(np.argmin(means))
        least = "" if lowest in (first, last) else f"; its lowest mean is {at(lowest)}"
        yield (f"{name} {when} {found.kind} with capacity, and no {other} is told from noise: {at(first)}, {at(last)} "
               f"({_ratio(own, first, last)}){least}.")
    elif found.kind == "flat":
        yield f"{name} {when} has no shape that is told from noise: {at(first)}, {at(last)}."
    else:
        yield (f"{name} {when} is lowest with {at(found.place)}; one {sweep.repetition} cannot tell whether it falls, "
               f"is U-shaped or has a peak.")
    yield _thresholds(own, when)


def _beside(own: Curves) -> str:
    near = own.fitted if own.fitted is not None else own.equal
    if near is None:
        return ""
    return f"; the peak lies at {words.number(own.parameters[own.shape.place] / near)} times the threshold"


def _thresholds(own: Curves, when: str) -> str:
    fitted = (f"From {_count(own.fitted)} on train is fitted {when}" if own.fitted is not None else
              f"No size fits all of train {when}")
    if own.equal is None:
        return f"{fitted}."
    inside = own.parameters[0] <= own.equal <= own.parameters[-1]
    where = "" if inside else f", {'below' if own.equal < own.parameters[0] else 'above'} all sizes here"
    return f"{fitted}; parameters are as many as train's targets at {large(own.equal)}{where}."


def _count(value: float) -> str:
    return f"{large(value)} parameters"


def _ratio(own: Curves, of: int, to: int) -> str:
    """Write how many times as large, or how much larger, one error is than another, with the simultaneous interval."""
    value, low, high = own.shape.ratio(of, to)
    if not own.shape.is_log:
        return words.difference(own.metric, value, low, high)
    return f"{words.number(value, low, high)} times as high [{words.number(low, value, high)}, " \
           f"{words.number(high, value, low)}]"


def _remarks(sweep: Sweep, found: Sequence[Curves]) -> Iterator[str]:
    if len(found) > 1:
        yield capital("; ".join(f"{_name(sweep, own)} {TOLD[own.shape.kind]}" for own in found)) + "."
    gap, sizes = found[0].gap_shape, found[0].parameters
    if gap.kind == "peak":
        yield (f"Val minus train_eval {TOLD['peak']} at {_count(sizes[gap.place])}, above that at "
               f"{_count(sizes[gap.before])} and {_count(sizes[gap.after])}.")
    elif gap.kind != "unknown":
        yield f"Val minus train_eval {TOLD[gap.kind]}."
    if found[0].fitted is None and found[0].equal is not None:
        yield "Where nothing fits train, no peak of interpolation is expected yet: train longer, or larger models."


def _name(sweep: Sweep, own: Curves) -> str:
    return error_name(sweep, own.metric) + (f" of {own.piece.name}" if own.piece.name else "")


def _table(sweep: Sweep, own: Curves, folded: bool) -> Table:
    rows = []
    for place, parameters in enumerate(own.parameters):
        gap = sweep.estimated(own.val[place] - own.train[place])
        selected = sweep.estimated(own.selected[place]).written(own.metric)
        rows.append((large(parameters), "–" if own.equal is None else words.number(parameters / own.equal),
                     sweep.estimated(own.train[place]).written(own.metric), sweep.estimated(
                         own.val[place]).written(own.metric), gap.difference(own.metric),
                     *((selected,) if own.is_selected_other else ())))
    columns = ("parameters", "to train's targets", "train_eval", "val", "val minus train_eval",
               *(("val, selected checkpoint",) if own.is_selected_other else ()))
    return Table(f"{capital(_name(sweep, own))} by capacity", columns, tuple(rows), folded)


def _method(sweep: Sweep, when: str) -> str:
    return (
        f"errors {when}, mean and {sweep.interval}. The shape is told by the differences between all sizes, paired "
        f"over {sweep.repetition}s, at 95% for all of them together (Tukey's studentized range, of logarithms where "
        f"errors are above 0): a peak lies above a smaller and a larger size, a dip below both. Train is fitted where "
        f"its mean error is below 0.1% (of what has no accuracy: where its loss is a thousandth of that of the "
        f"smallest size). Train's targets: examples times classes, of a regression examples (Belkin et al. 2019).")


def _plain(own: Curves) -> dict[str, Any]:
    def plain(values: Array) -> list[list[float | None]]:
        return [[float(value) if math.isfinite(value) else None for value in row] for row in values]

    found = own.shape
    return {"configuration": own.piece.name, "metric": own.metric, "parameters": own.parameters.tolist(),
            "train_eval": plain(own.train), "val": plain(own.val), "val_selected": plain(own.selected),
            "train_fitted_at": own.fitted, "targets_of_train": own.equal, "shape": found.kind,
            "gap_shape": own.gap_shape.kind,
            "place": own.parameters[found.place],
            "compared_with": [own.parameters[found.before], own.parameters[found.after]]}


def _figure(sweep: Sweep, found: Sequence[Curves], when: str) -> Figure:
    names = tuple(dict.fromkeys(own.metric for own in found))
    height = 2 * ROW + 0.5
    canvas = draw.figure(WIDTH, height)
    step = (WIDTH - 0.2) / len(names)
    for column, metric in enumerate(names):
        own = [curves for curves in found if curves.metric == metric]
        left, right = 0.8 + step * column, WIDTH - step * (column + 1) + 0.05
        title = capital(error_name(sweep, metric).replace("val ", ""))
        upper = draw.axes(canvas, (left, ROW + 0.45, right, 0.75), title, "", "")
        title = f"Val minus train_eval{unit(metric)}"
        lower = draw.axes(canvas, (left, 0.5, right, ROW + 0.75), title, "parameters", "")
        _errors(upper, sweep, own)
        _gaps(lower, sweep, own)
    handles = dict(zip(*reversed(canvas.axes[0].get_legend_handles_labels()), strict=True))
    canvas.legend(handles.values(), handles.keys(), loc="upper left", ncols=3, borderaxespad=0, borderpad=0,
                  bbox_to_anchor=(0.2 / WIDTH, 1 - 0.1 / height))
    return Figure("capacity_curve", draw.png(canvas), " ".join(_sentences(sweep, found[0], when)), (
        f"Dots: means over {sweep.repetition}s, bars: {sweep.interval}, cut where they reach far beyond all runs. "
        f"{'Dotted curves: train_eval. ' if found[0].piece.name else ''}Solid vertical line: the smallest size that "
        f"fits train{' in the first curve' if found[0].piece.name else ''}; dotted: as many parameters as targets in "
        f"train."))


def _errors(area: Axes, sweep: Sweep, found: Sequence[Curves]) -> None:
    drawn = []
    for number, own in enumerate(found):
        name, color = draw.plain(own.piece.name, 28), COLORS[number]
        lines = [(own.val, color, "-", name or "val"), (own.train, color if name else draw.BLUE, ":" if name else "-",
                                                         "" if name else "train_eval")]
        if not name and own.is_selected_other:
            lines.append((own.selected, color, "--", "val, selected checkpoint"))
        for values, shade, style, label in lines:
            drawn.append(mean_over_seeds(values))
            _line(area, sweep, own.parameters, values, shade, style, label)
    values = np.concatenate(drawn)
    values = values[np.isfinite(values)]
    _place(area, found)
    if (values > 0).all() and values.max() > 8 * values.min():
        area.set_yscale("log")
        area.set_ylim(values.min() / 1.6, values.max() * 1.6)
        errors_axis(area.yaxis, found[0].metric, values)
    else:
        _within(area, np.concatenate([np.concatenate([own.train, own.val], axis=None) for own in found]))
        value_axis(area.yaxis, found[0].metric)


def _gaps(area: Axes, sweep: Sweep, found: Sequence[Curves]) -> None:
    scale = 100.0 if words.is_share(found[0].metric) else 1.0
    area.axhline(0, color=draw.GREY, linewidth=1.0)
    for number, own in enumerate(found):
        _line(area, sweep, own.parameters, scale * (own.val - own.train), COLORS[number], "-", "")
    _place(area, found)
    _within(area, scale * np.concatenate([[0.0], *((own.val - own.train).ravel() for own in found)]))
    value_axis(area.yaxis, None, 4)


def _within(area: Axes, values: Array) -> None:
    """Show all runs; intervals of two or three runs can be many times as long."""
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    margin = 0.15 * (high - low) or 0.1
    area.set_ylim(low - margin, high + margin)


def _place(area: Axes, found: Sequence[Curves]) -> None:
    area.set_xscale("log")
    sizes = np.concatenate([own.parameters for own in found])
    sizes_axis(area.xaxis, sizes, float((sizes.max() / sizes.min()) ** (1 / 7)))
    area.set_xlim(sizes.min() / 1.2, sizes.max() * 1.2)
    own = found[0]
    for value, style in ((own.fitted, "-"), (own.equal, ":")):
        if value is not None and sizes.min() <= value <= sizes.max():
            area.axvline(value, color=draw.GREY, linestyle=style, linewidth=1.2)


def _line(area: Axes, sweep: Sweep, sizes: Array, values: Array, color: str, style: str, label: str) -> None:
    found = [sweep.estimated(row) for row in values]
    bounded = [(size, own.low, own.high) for size, own in zip(sizes, found, strict=True) if own.low is not None]
    if bounded and style != "--":
        area.vlines(*zip(*bounded, strict=True), color=color, linewidth=1.3, alpha=0.5)
    area.plot(sizes, mean_over_seeds(values), style, marker="" if style == "--" else "o", markersize=5, color=color,
              linewidth=1.4, label=label or None)
