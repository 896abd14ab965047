"""What each setting does to val and to the gap, on average over the other settings."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes

from dlx.report import draw, words
from dlx.report.section import Figure, Section, Table
from dlx.report.sweep.axes import Axis, readable
from dlx.report.sweep.basis import basis, runs_and_points
from dlx.report.sweep.estimates import NOTHING, Estimate, estimate
from dlx.report.sweep.points import Array, Sweep, mean_over_seeds
from dlx.report.sweep.scales import result_axis, setting_axis, unit, value_axis

MAX_LEVELS = 12
MAX_PANELS = 6
PER_BIN = 6
MAX_BINS = 6
ROW_HEIGHT = 2.15


class Level(NamedTuple):
    """A level, or a bin of them: where it lies, its points and the means over them."""

    label: str
    place: float
    points: tuple[int, ...]
    val: Estimate
    gap: Estimate


class Effect(NamedTuple):
    """An axis with its levels; spreads are those of the level with the best val minus that with the worst."""

    axis: Axis
    levels: tuple[Level, ...]
    binned: bool
    val_spread: Estimate
    gap_spread: Estimate


def section(sweep: Sweep) -> Section | None:
    """Write one row per setting, and draw one row of panels per setting."""
    if not sweep.axes or len(sweep.order) < 2:
        return None
    found = [effect(sweep, index) for index in range(len(sweep.axes))]
    found.sort(key=_size, reverse=True)
    drawn = found[:MAX_PANELS]
    with draw.style():
        figure = _figure(sweep, drawn)
    return Section(
        key="effects", title="What each setting does", sentences=_not_drawn(len(found) - len(drawn)),
        tables=(_table(sweep, found),), figures=(figure,), parts=(_levels(sweep, found),), notes=_basis(sweep, found),
        values={"balanced": sweep.is_grid, "effects": [_values(item) for item in found]})


def _not_drawn(number: int) -> tuple[str, ...]:
    verb = "is" if number == 1 else "are"
    return (f"{words.count(number, 'setting')} with smaller effects {verb} in the tables alone.",) if number else ()


def effect(sweep: Sweep, index: int) -> Effect:
    """Average val and gap over the other settings, per level of one."""
    axis = sweep.axes[index]
    binned = axis.is_sampled and not sweep.is_grid
    groups = _bins(sweep, index) if binned else _by_level(sweep, index)
    levels = tuple(_level(sweep, label, place, points) for label, place, points in groups)
    found = Effect(axis, levels, binned, NOTHING, NOTHING)
    known = _ranked(sweep, found)
    if len(known) < 2:
        return found
    best, worst = known[0].points, known[-1].points
    spreads = (_spread(sweep, values, best, worst) for values in (sweep.val, sweep.gap))
    return Effect(axis, levels, binned, *spreads)


def _by_level(sweep: Sweep, index: int) -> list[tuple[str, float, tuple[int, ...]]]:
    axis = sweep.axes[index]
    members: dict[str, list[int]] = {level: [] for level in axis.levels}
    for point in sorted(sweep.order):
        members[sweep.points[point].cells[index]].append(point)
    return [(level, axis.place(level), tuple(points)) for level, points in members.items()]


def _bins(sweep: Sweep, index: int) -> list[tuple[str, float, tuple[int, ...]]]:
    """Cut the points into bins of equal size along a sampled axis."""
    axis = sweep.axes[index]
    points = sorted(sweep.order, key=lambda point: axis.place(sweep.points[point].cells[index]))
    number = min(MAX_BINS, max(2, len(points) // PER_BIN))
    bins = []
    for members in np.array_split(np.array(points), min(number, len(points))):
        places = [axis.place(sweep.points[point].cells[index]) for point in members]
        middle = math.exp(float(np.mean(np.log(places)))) if axis.scale == "log" else float(np.mean(places))
        bins.append((f"{places[0]:.3g} to {places[-1]:.3g}", middle, tuple(int(point) for point in members)))
    return bins


def _level(sweep: Sweep, label: str, place: float, points: Sequence[int]) -> Level:
    return Level(label, place, tuple(points), *(_mean(sweep, values, points) for values in (sweep.val, sweep.gap)))


def _mean(sweep: Sweep, values: Array, points: Sequence[int]) -> Estimate:
    # In a complete grid every seed gives the mean over the same points; else the points are a sample.
    rows = values[list(points)]
    return sweep.estimated(rows.mean(axis=0)) if sweep.is_grid else estimate(mean_over_seeds(rows))


def _spread(sweep: Sweep, values: Array, best: Sequence[int], worst: Sequence[int]) -> Estimate:
    if sweep.is_grid:
        return sweep.estimated(values[list(best)].mean(axis=0) - values[list(worst)].mean(axis=0))
    means = [_mean(sweep, values, points).value for points in (best, worst)]
    return NOTHING if means[0] is None or means[1] is None else Estimate(means[0] - means[1], None, None, len(best))


def _size(item: Effect) -> float:
    return abs(item.val_spread.value or 0.0)


def _table(sweep: Sweep, found: Sequence[Effect]) -> Table:
    columns = ("setting", "best level", "val there", "worst level", "val there", "difference in "
                                                                                 "val", "difference in gap")
    rows = []
    for item in found:
        known = _ranked(sweep, item)
        cells = [text for level in (known[0], known[-1])
                 for text in (readable(level.label), level.val.written(sweep.metric))]
        rows.append((item.axis.key, *cells, item.val_spread.difference(sweep.metric),
                     item.gap_spread.difference(sweep.metric)))
    return Table(f"Settings by the size of their effect on {sweep.ranked_by}: best level minus "
                 f"worst", columns, tuple(rows))


def _levels(sweep: Sweep, found: Sequence[Effect]) -> Section:
    told, rows = [], []
    for item in found:
        shown = _best_levels(sweep, item)
        if len(shown) < len(item.levels):
            told.append(f"Of {item.axis.key} the best {len(shown)} of {len(item.levels):,} levels are listed.")
        rows += [(item.axis.key, readable(level.label), level.val.written(sweep.metric),
                  level.gap.difference(sweep.metric), f"{len(level.points):,}") for level in shown]
    columns = ("setting", "level", "val", "gap", "configurations")
    return Section("levels", "Means by level", tuple(told), tables=(Table("Means over the other settings", columns,
                                                                          tuple(rows)),))


def _best_levels(sweep: Sweep, item: Effect) -> tuple[Level, ...]:
    best = _ranked(sweep, item)[:MAX_LEVELS]
    return tuple(level for level in item.levels if level in best)


def _ranked(sweep: Sweep, item: Effect) -> list[Level]:
    """Return the levels that were measured, best mean on val first."""
    known = [level for level in item.levels if level.val.value is not None]
    return sorted(known, key=lambda level: level.val.value or 0.0, reverse=sweep.greater_is_better)


def _basis(sweep: Sweep, found: Sequence[Effect]) -> tuple[str, ...]:
    if sweep.is_grid:
        how = (f"every combination was measured with the same {sweep.repetition}s: per {sweep.repetition} the mean "
               f"over all configurations of a level, then mean and {sweep.interval}; differences are paired over "
               f"{sweep.repetition}s.")
        cannot = ("what a level does at one particular combination (see Interactions). Of several levels one is always "
                  "best and one worst, even where the setting does nothing.")
    else:
        how = (f"the combinations are not complete, so configurations (each the mean of its {sweep.repetition}s) "
               f"are averaged per level, with 95% t intervals over configurations.")
        cannot = ("whether the setting is the cause: with incomplete combinations levels also differ in the other "
                  "settings, and runs that failed are missing from the means.")
    bins = " Settings with many values are cut into bins with equally many configurations." if any(
        item.binned for item in found) else ""
    return basis(how + bins, runs_and_points(sweep), cannot)


def _values(item: Effect) -> dict[str, object]:
    return {"setting": item.axis.key, "binned": item.binned, "val_spread": item.val_spread._asdict(),
            "gap_spread": item.gap_spread._asdict(),
            "levels": [{"level": level.label, "num_points": len(level.points), "val": level.val._asdict(),
                        "gap": level.gap._asdict()} for level in item.levels]}


def _figure(sweep: Sweep, found: Sequence[Effect]) -> Figure:
    height = ROW_HEIGHT * len(found) + 0.35
    canvas = draw.figure(8.9, height)
    name = words.label(sweep.metric)
    for row, item in enumerate(found):
        bottom = height - 0.35 - ROW_HEIGHT * (row + 1) + 0.5
        top = height - bottom - (ROW_HEIGHT - 0.72)
        titles = (f"Val {name}", f"Gap in {name}{unit(sweep.metric)}") if row == 0 else ("", "")
        for split, left, right, title in (("val", 0.85, 4.6, titles[0]), ("gap", 5.2, 0.25, titles[1])):
            area = draw.axes(canvas, (left, bottom, right, top), title, draw.plain(item.axis.key, 40), "")
            _panel(area, sweep, item, split)
    return Figure("main_effects", draw.png(canvas), _alt(sweep, found),
                  f"Main effects, largest first. Dots: means over the other settings; bars: 95% t intervals over "
                  f"{f'{sweep.repetition}s' if sweep.is_grid else 'configurations'}. Pale dots: single configurations. "
                  f"{_good(sweep)}")


def _good(sweep: Sweep) -> str:
    return f"{sweep.better.capitalize()} val is better; a gap of 0 (grey line) is none."


def _panel(area: Axes, sweep: Sweep, item: Effect, split: str) -> None:
    share = words.is_share(sweep.metric)
    scale = 100.0 if split == "gap" and share else 1.0
    color = draw.COLORS["val"] if split == "val" else draw.BLUE
    values = scale * mean_over_seeds(sweep.val if split == "val" else sweep.gap)
    setting_axis(area, item.axis, list(item.axis.levels))
    if split == "gap":
        area.axhline(0, color=draw.GREY, linewidth=1.0)
    index = sweep.axes.index(item.axis)
    places = [item.axis.place(sweep.points[point].cells[index]) for point in sweep.order]
    area.plot(places, values[list(sweep.order)], linestyle="", marker="o", markersize=3, color=color, alpha=0.22,
              markeredgewidth=0)
    known = [(level.place, level.val if split == "val" else level.gap) for level in item.levels]
    _means(area, [(place, found) for place, found in known if found.value is not None], color, scale, item)
    if split == "val":
        result_axis(area.yaxis, sweep.metric, values, 4)
    else:
        value_axis(area.yaxis, None, 4)


def _means(area: Axes, known: list[tuple[float, Estimate]], color: str, scale: float, item: Effect) -> None:
    bounded = [(place, scale * found.low, scale * found.high) for place, found in known
               if found.low is not None and found.high is not None]
    if bounded:
        area.vlines(*zip(*bounded, strict=True), color=color, linewidth=1.8)
    joined = "-" if item.axis.numbers else ""
    area.plot([place for place, _ in known], [scale * (found.value or 0.0) for _, found in known], linestyle=joined,
              linewidth=1.2, marker="o", markersize=6, color=color)


def _alt(sweep: Sweep, found: Sequence[Effect]) -> str:
    told = [f"{item.axis.key}: {item.val_spread.difference(sweep.metric)}" for item in found]
    return f"Main effects on {sweep.ranked_by}, best level minus worst. {'; '.join(told)}."
