"""Measures as dots: how they rank the gap over all runs and along each setting."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dlx.report import draw
from dlx.report.section import Figure
from dlx.report.sweep.axes import short_names
from dlx.report.sweep.ranked import Ranked

MAX_DRAWN, MAX_AXES = 26, 4
ROW_HEIGHT = 0.25
MARKS = (("s", draw.ORANGE), ("^", draw.GREEN), ("D", "#CC79A7"), ("v", "#56B4E9"))


def make_figure(ranked: Sequence[Ranked], baselines: Sequence[Ranked], gap: str) -> Figure:
    """Draw tau with the noise around 0, and psi of each setting; those with the largest |tau| where there are many."""
    kept = {item.label for item in sorted(ranked, key=lambda item: -abs(item.tau))[:MAX_DRAWN]}
    drawn = [*baselines, *(item for item in ranked if item.label in kept)]
    height = 1.35 + ROW_HEIGHT * len(drawn)
    canvas = draw.figure(8.9, height)
    area = draw.axes(canvas, (3.3, 0.55, 0.3, 0.75), "", f"rank correlation with the test {gap}", "")
    places = np.arange(len(drawn))
    area.barh(places, [2 * item.noise for item in drawn], left=[-item.noise for item in drawn], height=0.72,
              color="#E5E7EB", label="95% of random orders")
    area.axvline(0, color=draw.GREY, linewidth=1.0)
    keys = list(ranked[0].psi)[:MAX_AXES]
    for index, (key, name, (mark, color)) in enumerate(zip(keys, short_names(list(ranked[0].psi)), MARKS,
                                                           strict=False)):
        # Beside each other, since psi of few pairs takes few values.
        shift = 0.17 * (index - (len(keys) - 1) / 2)
        known = [(value, place + shift) for place, item in enumerate(drawn) if (value := item.psi[key]) is not None]
        if known:
            area.plot(*zip(*known, strict=True), linestyle="", marker=mark, markersize=4.5, color=color, alpha=0.85,
                      markeredgewidth=0, label=f"psi, {draw.plain(name, 18)} alone")
    area.plot([item.tau for item in drawn], places, linestyle="", marker="o", markersize=7, color=draw.BLUE,
              markeredgecolor="white", markeredgewidth=0.6, label="tau over all runs")
    area.axhline(len(baselines) - 0.5, color=draw.GREY, linewidth=0.8, linestyle=(0, (3, 3)))
    area.set_xlim(-1.05, 1.05)
    area.set_ylim(len(drawn) - 0.4, -0.6)
    area.set_yticks(places, [draw.plain(item.label.replace("_", " "), 42) for item in drawn])
    area.tick_params(axis="y", length=0)
    area.grid(visible=False, axis="y")
    canvas.legend(*area.get_legend_handles_labels(), loc="upper left", ncols=3, borderaxespad=0, borderpad=0,
                  bbox_to_anchor=(0.2 / 8.9, 1 - 0.12 / height))
    return Figure("ranking", draw.png(canvas), _alt(ranked, gap),
                  "Dots to the right: the measure is larger where the gap is; to the left: it is smaller. Inside of "
                  "the grey bar tau is what a measure of no use comes to. Small marks: orders of runs that differ in "
                  "one setting alone; a measure to rely on has them all on one side. Above the dashed line: what to "
                  "hold measures against.")


def _alt(ranked: Sequence[Ranked], gap: str) -> str:
    first, last = ranked[0], ranked[-1]
    told = sum(item.is_told for item in ranked)
    return (f"Rank correlation of {len(ranked):,} measures with the test {gap}: from {first.tau:+.2f} for "
            f"{first.label.replace('_', ' ')} to {last.tau:+.2f} for {last.label.replace('_', ' ')}; {told:,} beyond "
            f"noise after Holm.")
