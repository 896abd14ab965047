"""Whether settings act together: shares of the variance, and the means of every pair of levels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

from dlx.report import draw, words
from dlx.report.section import Figure, Section, Table
from dlx.report.sweep.axes import readable
from dlx.report.sweep.basis import basis, runs_and_points
from dlx.report.sweep.complete import complete_part
from dlx.report.sweep.decompose import Grid, Term, decompose, to_grid
from dlx.report.sweep.points import Sweep

COLUMNS = ("term", "df", "share of val", "F", "p", "share of gap", "F", "p")
MAX_PAIRS = 6
MAX_ANNOTATED = 8
MAX_SIDE = 24
TITLE = "Interactions"
ROW_HEIGHT = 2.75


def section(sweep: Sweep) -> Section | None:
    """Write the analysis of variance and draw the pairs with the largest interactions; or say why there is none."""
    if not sweep.axes or len(sweep.order) < 2:
        return None
    if len(sweep.axes) < 2:
        return Section("interactions", TITLE, ("Skipped: one setting varies, so there is no pair.",),
                       values={"skipped": "one setting"})
    found = complete_part(sweep)
    if found is None:
        return Section("interactions", TITLE, (f"Skipped: {_why(sweep)}. Where combinations are missing, the shares of "
                                               f"settings and interactions overlap, and no table can keep them "
                                               f"apart.",), values={"skipped": "not balanced"})
    part, dropped = found
    told = f"Runs are missing, so this is about the complete part of the grid: without {' and '.join(dropped)}."
    return _written(part, (told,) if dropped else ())


def _why(sweep: Sweep) -> str:
    if any(axis.is_sampled for axis in sweep.axes):
        return "settings were sampled, not crossed"
    undone = len(sweep.points) * len(sweep.seeds) - sweep.num_done
    return (f"the design is not balanced: {words.count(undone, 'run')} of the "
            f"{len(sweep.points) * len(sweep.seeds):,} combinations of settings and seeds "
            f"{'is' if undone == 1 else 'are'} missing" if undone else
            "not every combination of levels is in the sweep")


def _written(sweep: Sweep, told: tuple[str, ...]) -> Section:
    names = tuple(axis.key for axis in sweep.axes)
    grids = {split: to_grid(sweep, values) for split, values in (("val", sweep.val), ("gap", sweep.gap))}
    terms = {split: decompose(grid, names) for split, grid in grids.items()}
    pairs = [term for term in terms["val"] if len(term.axes) == 2 and _fits(sweep, term)]
    pairs.sort(key=lambda term: term.share or 0.0, reverse=True)
    figures: tuple[Figure, ...] = ()
    if pairs:
        with draw.style():
            figures = (_figure(sweep, grids["val"].mean(axis=-1), pairs[:MAX_PAIRS]),)
    return Section(
        key="interactions", title=TITLE, sentences=told, points=tuple(_finding(pairs)), notes=_basis(sweep),
        tables=(Table("Analysis of variance over all runs", COLUMNS,
                      tuple(_row(val, gap) for val, gap in zip(terms["val"], terms["gap"], strict=True))),),
        figures=figures,
        values={split: [term._asdict() for term in found] for split, found in terms.items()})


def _fits(sweep: Sweep, term: Term) -> bool:
    return all(len(sweep.axes[axis].levels) <= MAX_SIDE for axis in term.axes)


def _finding(pairs: Sequence[Term]) -> list[str]:
    if not pairs or pairs[0].share is None:
        return []
    first = pairs[0]
    judged = "" if first.p is None else f" (p {_p(first.p)})" if first.p < 0.001 else f" (p = {_p(first.p)})"
    return [f"The largest interaction is {first.name}: {_percent(first.share)} of the variance in val{judged}."]


def _row(val: Term, gap: Term) -> tuple[str, ...]:
    return (val.name, f"{val.degrees:,}", *_numbers(val), *_numbers(gap))


def _numbers(term: Term) -> tuple[str, str, str]:
    return _percent(term.share), "–" if term.f is None else words.number(term.f), "–" if term.p is None else _p(term.p)


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.1f}%"


def _p(p: float) -> str:
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def _basis(sweep: Sweep) -> tuple[str, ...]:
    tests = ("F tests against the rest, with seeds as blocks." if len(sweep.seeds) > 1 else
             "With one run each there is no error to test against, and noise is part of the highest interaction.")
    return basis(f"the sum of squares over all runs, split into settings, pairs, seed and rest; {tests}",
                 runs_and_points(sweep),
                 "how large an effect would be over other levels than these. Noise alone gives every term a share of "
                 "about its degrees of freedom (df) out of all.")


def _figure(sweep: Sweep, means: Grid, pairs: Sequence[Term]) -> Figure:
    columns = min(3, len(pairs))
    rows = -(-len(pairs) // columns)
    width, height = 8.9, rows * ROW_HEIGHT
    canvas = draw.figure(width, height)
    cell = width / max(columns, 2)
    for index, term in enumerate(pairs):
        row, column = divmod(index, columns)
        box = (column * cell + 0.95, height - (row + 1) * ROW_HEIGHT + 0.6, width - (column + 1) * cell + 0.2,
               row * ROW_HEIGHT + 0.45)
        _heatmap(canvas, box, sweep, means, term)
    return Figure("interactions", draw.png(canvas), _alt(sweep, means, pairs),
                  f"Mean {sweep.ranked_by} of every pair of levels, over the other settings and seeds; bright is "
                  f"better. Where rows have different patterns, the two settings interact. The share is that of the "
                  f"interaction in the variance of all runs.")


def _heatmap(canvas: Canvas, box: tuple[float, ...], sweep: Sweep, means: Grid, term: Term) -> None:
    table = pair_means(means, term.axes)
    across, down = (sweep.axes[axis] for axis in (term.axes[1], term.axes[0]))
    title = f"interaction {_percent(term.share)}"
    area = draw.axes(canvas, box, title, draw.plain(across.key, 28), draw.plain(down.key, 20))
    area.imshow(table, cmap="viridis" if sweep.greater_is_better else "viridis_r", aspect="auto")
    area.grid(visible=False)
    for axis, levels in ((area.xaxis, across.levels), (area.yaxis, down.levels)):
        room = 9 if axis is area.yaxis else max(4, 30 // len(levels))
        step = -(-len(levels) // 8)
        axis.set_ticks(range(0, len(levels), step), [draw.plain(readable(level), room) for level in levels[::step]])
    if max(table.shape) <= MAX_ANNOTATED:
        _annotate(area, table, sweep)


def pair_means(means: Grid, pair: Sequence[int]) -> Grid:
    """Average the means of all points [L1, …, Lk] over all axes but two; rows are the first's levels."""
    others = tuple(axis for axis in range(means.ndim) if axis not in pair)
    return np.asarray(means.mean(axis=others) if others else means)


def _annotate(area: Axes, table: Grid, sweep: Sweep) -> None:
    low, high = float(table.min()), float(table.max())
    for (row, column), value in np.ndenumerate(table):
        share = (value - low) / (high - low) if high > low else 1.0
        dark = (share if sweep.greater_is_better else 1 - share) < 0.55 and high > low
        text = words.percent(value) if words.is_share(sweep.metric) else words.number(float(value), high)
        area.text(column, row, text, ha="center", va="center", fontsize=8, color="white" if dark else draw.INK)


def _alt(sweep: Sweep, means: Grid, pairs: Sequence[Term]) -> str:
    told = []
    for term in pairs:
        table = pair_means(means, term.axes)
        best = float(table.max() if sweep.greater_is_better else table.min())
        told.append(f"{term.name}: {_percent(term.share)}, best cell {words.measured(sweep.metric, best)}")
    return f"Means of pairs of levels on {sweep.ranked_by}. {'; '.join(told)}."
