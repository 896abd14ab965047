"""All configurations in order, with what sets them apart from the best."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes

from dlx.report import draw, words
from dlx.report.section import Figure, Section, Table
from dlx.report.sweep.axes import readable
from dlx.report.sweep.basis import basis, runs_and_points
from dlx.report.sweep.estimates import Estimate
from dlx.report.sweep.points import Sweep, mean_over_seeds
from dlx.report.sweep.scales import result_axis, unit, value_axis

MAX_ROWS = 30
MAX_DRAWN = 20
MAX_COLUMNS = 3
# Of the headings of settings together; with longer ones the columns of numbers leave the page.
MAX_LETTERS = 30
ROW_HEIGHT = 0.27


def section(sweep: Sweep) -> Section | None:
    """Write the table and draw its head."""
    if not sweep.order or sweep.is_cross_validation:
        return None
    shown = sweep.order[:MAX_ROWS]
    rest = len(sweep.order) - len(shown)
    remainder = (f"The table shows the best {len(shown)}; {words.count(rest, 'configuration')} more in "
                 f"leaderboard.csv.",)
    table = Table(f"Configurations by mean {sweep.ranked_by}, {sweep.better} is better", _columns(sweep),
                  tuple(_row(sweep, rank, point) for rank, point in enumerate(shown, 1)))
    with draw.style():
        figures = (_figure(sweep),)
    return Section(
        key="leaderboard", title="Leaderboard",
        notes=basis(
            f"mean and {sweep.interval}. The last column is the mean difference to the best over the "
            f"{sweep.repetition}s that both have (paired t): they share their data split and order, so this is sharper "
            f"than comparing intervals.",
            runs_and_points(sweep),
            "which of two neighbours is better where the interval of their difference includes 0. With many "
            "comparisons, 1 in 20 such intervals misses by chance."),
        figures=figures, parts=(Section("ranks", "Numbers", remainder if rest else (), tables=(table,)),),
        values={"rows": [_values(sweep, point) for point in sweep.order]},
    )


def _has_columns(sweep: Sweep) -> bool:
    """Say whether each setting has a column of its own."""
    return len(sweep.axes) <= MAX_COLUMNS and sum(len(axis.key) for axis in sweep.axes) <= MAX_LETTERS


def _columns(sweep: Sweep) -> tuple[str, ...]:
    keys = [axis.key for axis in sweep.axes]
    settings = keys if _has_columns(sweep) else ["configuration"]
    return ("rank", *settings, "val", "train_eval", "gap", "difference to best", "runs")


def _row(sweep: Sweep, rank: int, point: int) -> tuple[str, ...]:
    found = sweep.points[point]
    cells = [readable(cell) for cell in found.cells] if _has_columns(sweep) else [sweep.name(point)]
    runs = str(found.num_done) if found.num_done == len(found.runs) else f"{found.num_done} of {len(found.runs)}"
    difference = "–" if rank == 1 else sweep.to_best[point].difference(sweep.metric)
    return (str(rank), *cells, sweep.estimate("val", point).written(sweep.metric),
            sweep.estimate("train_eval", point).written(sweep.metric),
            sweep.estimate("gap", point).difference(sweep.metric), difference, runs)


def _values(sweep: Sweep, point: int) -> dict[str, object]:
    return {"point": dict(zip([axis.key for axis in sweep.axes], sweep.points[point].cells, strict=True)),
            **{split: sweep.estimate(split, point)._asdict() for split in ("val", "train_eval", "gap")},
            "difference_to_best": sweep.to_best[point]._asdict()}


def _figure(sweep: Sweep) -> Figure:
    drawn = sweep.order[:MAX_DRAWN]
    height = 1.25 + ROW_HEIGHT * len(drawn)
    canvas = draw.figure(8.9, height)
    name = words.label(sweep.metric)
    left = draw.axes(canvas, (2.75, 0.55, 3.1, 0.7), words.title(sweep.metric), name, "")
    right = draw.axes(canvas, (6.05, 0.55, 0.2, 0.7), "Val minus the best's val", f"{name}{unit(sweep.metric)}", "")
    _dots(left, sweep, drawn)
    _differences(right, sweep, drawn)
    left.set_yticks(range(len(drawn)), [_label(sweep, rank, point) for rank, point in enumerate(drawn, 1)])
    handles, labels = left.get_legend_handles_labels()
    canvas.legend(handles, labels, loc="upper left", ncols=2, borderaxespad=0, borderpad=0,
                  bbox_to_anchor=(0.2 / 8.9, 1 - 0.12 / height))
    return Figure("leaderboard", draw.png(canvas), _alt(sweep),
                  f"Dots are means over {sweep.repetition}s, bars 95% intervals; the distance between the two "
                  f"dots of a row is its gap. Right: paired differences to the best; a bar that crosses the line is "
                  f"a tie."
                  f"{'' if len(drawn) == len(sweep.order) else f' The best {len(drawn)} are shown.'}")


def _label(sweep: Sweep, rank: int, point: int) -> str:
    cells = " · ".join(readable(cell) for cell in sweep.points[point].cells) or "all runs"
    return f"{draw.plain(cells, 33)}  {rank}"


def _dots(area: Axes, sweep: Sweep, drawn: tuple[int, ...]) -> None:
    for split, shift in (("val", -0.12), ("train_eval", 0.12)):
        found = [sweep.estimate(split, point) for point in drawn]
        bars(area, found, np.arange(len(drawn)) + shift, draw.COLORS[split], split)
    result_axis(area.xaxis, sweep.metric, np.stack([mean_over_seeds(sweep.values(split))[list(drawn)]
                                                    for split in ("val", "train_eval")]))
    _rows_down(area, len(drawn))


def _differences(area: Axes, sweep: Sweep, drawn: tuple[int, ...]) -> None:
    scale = 100.0 if words.is_share(sweep.metric) else 1.0
    found = [sweep.to_best[point] for point in drawn[1:]]
    area.axvline(0, color=draw.GREY, linewidth=1.0)
    bars(area, found, np.arange(1, len(drawn)), draw.INK, "difference", scale)
    area.plot([0], [0], marker="D", markersize=6, color=draw.COLORS["val"])
    value_axis(area.xaxis, None)
    _rows_down(area, len(drawn))
    area.set_yticks(range(len(drawn)), [""] * len(drawn))


def _rows_down(area: Axes, number: int) -> None:
    area.set_ylim(number - 0.4, -0.6)
    area.tick_params(axis="y", length=0)


def bars(area: Axes, found: list[Estimate], places: np.ndarray, color: str, label: str, scale: float = 1.0) -> None:
    """Draw estimates as dots with horizontal intervals at places on the y axis."""
    kept = [(place, item) for place, item in zip(places, found, strict=True) if item.value is not None]
    bounded = [(place, scale * low, scale * high) for place, (_, low, high, _) in kept
               if low is not None and high is not None]
    if bounded:
        area.hlines(*zip(*bounded, strict=True), color=color, linewidth=1.6)
    area.plot([scale * item.value for _, item in kept if item.value is not None], [place for place, _ in kept],
              linestyle="", marker="o", markersize=5, color=color, label=label)


def _alt(sweep: Sweep) -> str:
    first, last = (sweep.estimate("val", point) for point in (sweep.order[0], sweep.order[-1]))
    return (f"Leaderboard of {words.count(len(sweep.order), 'configuration')}: {sweep.ranked_by} goes from "
            f"{first.written(sweep.metric)} for the best to {last.written(sweep.metric)} for the last.")
