"""How the error on val falls with the number of train examples, and what more of them would give. K sizes, S seeds."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes

from dlx.measure.power_law import EXPONENTS, FEWEST_SIZES, Curve, HeldOut, curve, held_out
from dlx.report import draw, words
from dlx.report.section import Figure, Section, Table
from dlx.report.sections.capacity import large
from dlx.report.sweep.basis import basis, runs_and_points
from dlx.report.sweep.details import summary_of
from dlx.report.sweep.estimates import LEVEL
from dlx.report.sweep.points import Array, Sweep
from dlx.report.sweep.slices import (
    COLORS,
    MAX_SLICES,
    Slice,
    as_error,
    capital,
    common_seeds,
    error_name,
    errors_axis,
    not_shown,
    shown_metrics,
    sizes_axis,
    slices,
    spread_of,
)

KEY = "dataset.train_fraction"
NUM_DRAWS = 2_000
FACTORS = (2, 4)
# More than any dataset will grow.
MOST_GROWTH = 1_000.0
WIDTH, HEIGHT = 8.9, 3.9
CANNOT = (
    "whether the law goes on: real curves bend, have plateaus and jumps, and many follow no power law (Viering and "
    "Loog 2022), so no extrapolation is sure, and its interval counts the noise of the repetitions alone, not that the "
    "law may be wrong. New examples are taken to be as those of train, and all settings to stay as they are.")


class Learned(NamedTuple):
    """A curve of one configuration: sizes [K], errors on val [K, S], the fit, and predictions of the largest size."""

    piece: Slice
    metric: str
    sizes: Array
    errors: Array
    curve: Curve
    held_out: HeldOut | None
    without_floor: HeldOut | None


def section(sweep: Sweep) -> Section | None:
    """Fit a power law to each curve along the share of train examples, and say what it predicts."""
    index = next((index for index, axis in enumerate(sweep.axes) if axis.key == KEY and axis.numbers), None)
    pieces = [] if index is None else slices(sweep, index, FEWEST_SIZES)
    names = shown_metrics(sweep)
    found = [own for metric in names for piece in pieces[:MAX_SLICES] for own in _learned(sweep, piece, metric)]
    if not found:
        return None
    with draw.style():
        figure = _figure(sweep, found)
    return Section(
        key="learning_curve", title="Learning curve", sentences=(*_sentences(sweep, found[0]), *not_shown(pieces)),
        points=tuple(_remarks(sweep, found)), tables=tuple(_tables(sweep, found)), figures=(figure,),
        notes=basis(_method(sweep), runs_and_points(sweep), CANNOT), values={"curves": [_values(own) for own in found]})


def _learned(sweep: Sweep, piece: Slice, metric: str) -> Iterator[Learned]:
    """Fit a curve, where its errors are above 0 and its sizes known and different."""
    sizes = np.array([_size(sweep, point) for point in piece.points])
    errors = common_seeds(as_error(sweep, metric, sweep.values("val", metric)[list(piece.points)]))
    known = np.isfinite(sizes) & (errors.mean(axis=1) > 0)
    sizes, errors = sizes[known], errors[known]
    if len(sizes) < FEWEST_SIZES or not (np.diff(sizes) > 0).all():
        return
    found = curve(sizes, errors, NUM_DRAWS, 0, spread=spread_of(sweep, errors.shape[1]))
    yield Learned(piece, metric, sizes, errors, found, *(
        held_out(sizes, errors, NUM_DRAWS, 0, LEVEL, with_floor, spread_of(sweep, errors.shape[1]))
        for with_floor in (True, False)))


def _size(sweep: Sweep, point: int) -> float:
    """Return the mean over runs of the examples in train."""
    summaries = [summary_of(sweep, run) for run in sweep.points[point].runs]
    sizes = [own.num_examples["train"] for own in summaries if own is not None and "train" in own.num_examples]
    return float(np.mean(sizes)) if sizes else math.nan


def _sentences(sweep: Sweep, own: Learned) -> Iterator[str]:
    name, law = error_name(sweep, own.metric), own.curve.law
    low, high = f"{own.sizes[0]:,.0f}", f"{own.sizes[-1]:,.0f}"
    of = f" of {own.piece.name}" if own.piece.name else ""
    first, last = (words.measured(own.metric, float(value)) for value in (own.curve.means[0], own.curve.means[-1]))
    if law.scale == 0:
        yield f"{capital(name)}{of} does not fall with the examples: it is {first} with {low} and {last} with {high}."
        return
    yield (f"{capital(name)}{of} goes from {first} with {low} train examples to {last} with {high}; the fitted power "
           f"law has the exponent {_of(own, 'exponent')} and the floor {_of(own, 'floor', own.metric)}.")
    if own.held_out is not None:
        yield _prediction(own, own.held_out)
    later = [f"{_at(own, factor * own.sizes[-1])} with {factor} times the examples" for factor in FACTORS]
    yield (f"If the law went on, it would be {' and '.join(later)}; to halve what lies above the floor would "
           f"take {_growth(own)} times the examples.")


def _prediction(own: Learned, found: HeldOut) -> str:
    inside = {None: "", True: ", inside the interval", False: ", outside of the interval"}[found.is_inside]
    return (f"Fitted without the largest size, it predicts {_written(own.metric, found)} for "
            f"{found.size:,.0f} examples; measured was {words.measured(own.metric, found.measured)}{inside}.")


def _remarks(sweep: Sweep, found: Sequence[Learned]) -> Iterator[str]:
    if all(own.errors.shape[1] < 2 for own in found):
        yield f"Every size has one {sweep.repetition}, so the fits have no intervals."
    elif any(own.errors.shape[1] == 2 for own in found):
        yield (f"Two {sweep.repetition}s make wide intervals, and those of the floor still held it in 87% of "
               f"simulations only.")
    elif any(own.errors.shape[1] < 2 for own in found):
        yield f"Curves whose sizes share no two {sweep.repetition}s have no intervals."
    if any(low <= EXPONENTS[0] * 1.01 or high >= EXPONENTS[-1] / 1.01 for low, high in (
            own.curve.of("exponent", LEVEL) for own in found)):
        yield (f"An interval of the exponent that reaches {EXPONENTS[0]:g} or {EXPONENTS[-1]:g} ends there because "
               f"none beyond is looked for: such a curve does not tell its exponent.")
    floored = [own for own in found if own.held_out is not None and own.without_floor is not None]
    better = sum(_miss(own.without_floor) < _miss(own.held_out) for own in floored)
    if floored:
        yield (f"A power without a floor predicts the largest size better than one with a floor in {better} of "
               f"{words.count(len(floored), 'fit')}.")
    ended = _ended(sweep, found[0])
    if ended is not None:
        yield ended


def _miss(found: HeldOut | None) -> float:
    return math.inf if found is None else abs(found.predicted - found.measured)


def _ended(sweep: Sweep, own: Learned) -> str | None:
    """Say at how many runs of the smallest size val was still getting better when training ended."""
    summaries = [summary_of(sweep, run) for run in sweep.points[own.piece.points[0]].runs]
    known = [own for own in summaries if own is not None and own.epochs_run is not None]
    last = sum(own.selected_epoch == own.epochs_run for own in known)
    if not last or not sweep.files.selection.startswith("best_val"):
        return None
    return (f"With {own.sizes[0]:,.0f} examples the best epoch was the last in {last} of "
            f"{words.count(len(known), 'run')}: fewer examples in as many epochs are fewer steps, so part of the fall "
            f"may be longer training.")


def _of(own: Learned, name: str, metric: str = "") -> str:
    value, (low, high) = getattr(own.curve.law, name), own.curve.of(name, LEVEL)
    return words.interval(metric, value, *_bounds(low, high))


def _bounds(low: float, high: float) -> tuple[float | None, float | None]:
    return (None, None) if math.isnan(low) else (low, high)


def _at(own: Learned, size: float) -> str:
    return words.interval(own.metric, float(own.curve.law.at(size)), *_bounds(*own.curve.interval(size, LEVEL)))


def _written(metric: str, found: HeldOut) -> str:
    return words.interval(metric, found.predicted, *_bounds(found.low, found.high))


def _growth(own: Learned) -> str:
    value, low, high = own.curve.growth_to_halve(LEVEL)
    shown = [f"over {MOST_GROWTH:,.0f}" if bound > MOST_GROWTH else words.number(bound) for bound in (value, low, high)]
    return shown[0] if math.isnan(low) else f"{shown[0]} [{shown[1]}, {shown[2]}]"


def _tables(sweep: Sweep, found: Sequence[Learned]) -> Iterator[Table]:
    rows = tuple((_name(sweep, own), _of(own, "exponent"), _of(own, "floor", own.metric), words.measured(
        own.metric, float(own.curve.means[-1])), *(_at(own, factor * own.sizes[-1]) for factor in FACTORS),
        _growth(own)) for own in found)
    yield Table("Fitted curves, and what they extrapolate to", (
        "error", "exponent", "floor", "at the largest size", *(f"at {factor} times that" for factor in FACTORS),
        "times the examples to halve what is above the floor"), rows)
    held = tuple((_name(sweep, own), large(own.held_out.size), _written(own.metric, own.held_out),
                  _written(own.metric, own.without_floor), words.measured(own.metric, own.held_out.measured))
                 for own in found if own.held_out is not None and own.without_floor is not None)
    if held:
        yield Table("The largest size, predicted from the others", (
            "error", "examples", "predicted", "by a power without a floor", "measured"), held)


def _name(sweep: Sweep, own: Learned) -> str:
    return f"{error_name(sweep, own.metric)}{f', {own.piece.name}' if own.piece.name else ''}"


def _method(sweep: Sweep) -> str:
    return (
        f"e(n) = floor + scale · n^(-exponent), floor and scale at least 0 and the exponent in [0.01, 5], by least "
        f"squares of relative errors (weights 1 / mean²) on means over {sweep.repetition}s on val; n counts the "
        f"examples in train. Intervals: 95%, percentiles of {NUM_DRAWS:,} draws of a multiplier bootstrap over "
        f"{sweep.repetition}s, studentized, a {sweep.repetition} drawn at all sizes together. The interval of a "
        f"prediction is of what would be measured with as many {sweep.repetition}s.")


def _values(own: Learned) -> dict[str, Any]:
    law = own.curve.law
    return {
        "configuration": own.piece.name, "metric": own.metric, "sizes": own.sizes.tolist(),
        "errors": own.errors.tolist(), "floor": law.floor, "scale": law.scale, "exponent": law.exponent,
        **{f"{name}_interval": _bounds(*own.curve.of(name, LEVEL)) for name in ("floor", "scale", "exponent")},
        "extrapolated": [{"size": size, "error": float(law.at(size)), "interval": _bounds(
            *own.curve.interval(size, LEVEL))} for size in own.sizes[-1] * np.array(FACTORS, float)],
        "held_out": None if own.held_out is None else _plain(own.held_out),
        "held_out_without_floor": None if own.without_floor is None else _plain(own.without_floor)}


def _plain(found: HeldOut) -> dict[str, float | None]:
    low, high = _bounds(found.low, found.high)
    return {**found._asdict(), "low": low, "high": high}


def _figure(sweep: Sweep, found: Sequence[Learned]) -> Figure:
    names = tuple(dict.fromkeys(own.metric for own in found))
    canvas = draw.figure(WIDTH, HEIGHT)
    step = (WIDTH - 0.2) / len(names)
    for column, metric in enumerate(names):
        left = 0.75 + step * column
        area = draw.axes(canvas, (left, 0.55, WIDTH - step * (column + 1) + 0.05, 0.75), capital(
            error_name(sweep, metric)), "train examples", "")
        _panel(area, sweep, [own for own in found if own.metric == metric])
    handles = dict(zip(*reversed(canvas.axes[0].get_legend_handles_labels()), strict=True))
    canvas.legend(handles.values(), handles.keys(), loc="upper left", ncols=4, borderaxespad=0, borderpad=0,
                  bbox_to_anchor=(0.2 / WIDTH, 1 - 0.12 / HEIGHT))
    return Figure("learning_curve", draw.png(canvas), _alt(sweep, found[0]), (
        f"Dots: means over {sweep.repetition}s; pale dots: single runs. Lines: fitted laws, dashed where they "
        f"extrapolate; bands: their 95% intervals. Diamonds: the largest size as predicted from all others, with the "
        f"interval of the prediction. Both axes are logarithmic."))


def _panel(area: Axes, sweep: Sweep, found: Sequence[Learned]) -> None:
    area.set_xscale("log")
    area.set_yscale("log")
    drawn = [own.errors[own.errors > 0] for own in found]
    for number, own in enumerate(found):
        color, last = COLORS[number], own.sizes[-1]
        label = draw.plain(own.piece.name, 30) or f"mean over {sweep.repetition}s"
        for sizes, style in ((np.geomspace(own.sizes[0], last, 60), "-"), (np.geomspace(last, 4 * last, 30), "--")):
            area.plot(sizes, own.curve.law.at(sizes), style, color=color, linewidth=1.6)
            drawn.append(own.curve.law.at(sizes))
            _band(area, own, sizes, color)
        area.plot(np.repeat(own.sizes, own.errors.shape[1]), own.errors.ravel(), linestyle="", marker="o", markersize=3,
                  color=color, alpha=0.3, markeredgewidth=0)
        area.plot(own.sizes, own.curve.means, linestyle="", marker="o", markersize=5.5, color=color, label=label)
        _held_out(area, own, color, 1.12 * 1.07**number)
    values = np.concatenate([value[value > 0] for value in drawn])
    area.set_ylim(values.min() / 1.5, values.max() * 1.25)
    errors_axis(area.yaxis, found[0].metric, values)
    sizes_axis(area.xaxis, np.concatenate([[*own.sizes, 2 * own.sizes[-1], 4 * own.sizes[-1]] for own in found]), 1.6)


def _band(area: Axes, own: Learned, sizes: Array, color: str) -> None:
    if own.curve.draws is None:
        return
    low, high = np.quantile(own.curve.draws.at(sizes), [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0)
    # A logarithmic axis has no 0, which a band may reach.
    area.fill_between(sizes, np.maximum(low, 1e-12), high, color=color, alpha=0.13, linewidth=0)


def _held_out(area: Axes, own: Learned, color: str, beside: float) -> None:
    found = own.held_out
    if found is None:
        return
    # Beside the dot that it predicts, and those of other curves.
    place = found.size * beside
    if found.is_inside is not None:
        area.vlines(place, max(found.low, 1e-12), max(found.high, 1e-12), color=color, linewidth=1.2)
    area.plot([place], [max(found.predicted, 1e-12)], linestyle="", marker="D", markersize=6.5, color="white",
              markeredgecolor=color, markeredgewidth=1.4, label="predicted without the largest size" if not
              own.piece.name else None)


def _alt(sweep: Sweep, own: Learned) -> str:
    return " ".join(_sentences(sweep, own))
