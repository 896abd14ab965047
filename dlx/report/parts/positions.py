"""Where in a sequence answers are right."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.ticker import MaxNLocator

from dlx.report import draw, words
from dlx.report.files import RunFiles
from dlx.report.section import Figure, Section

BOX = (0.8, 0.6, 0.2, 0.5)


def section(run: RunFiles) -> Section | None:
    """Draw the share of right answers by position on test, or on val; None where fewer than two were measured."""
    measures = run.measures.get("errors")
    found = {} if measures is None else {split: items for split in ("test", "val") if len(
        items := measures.every("position_accuracy", split=split)) > 1}
    if not found:
        return None
    split, items = next(iter(found.items()))
    known = [item for item in items if item.value is not None and item.low is not None and item.high is not None]
    worst = min(known, key=lambda item: item.value or 0.0)
    finding = (f"On {split}, position {worst.of['position']} has the fewest right answers: "
               f"{words.interval('accuracy', worst.value, worst.low, worst.high)} of {worst.n:,}.")
    places, values, lows, highs = (np.array(column, np.float64) for column in zip(
        *((item.of["position"], item.value, item.low, item.high) for item in known), strict=True))
    with draw.style():
        canvas = draw.figure(7.5, 3.4)
        area = draw.axes(canvas, BOX, f"Right answers by position, {split}", "position", "share right")
        band: dict[str, Any] = {"color": draw.COLORS[split], "alpha": 0.2, "linewidth": 0}
        area.fill_between(places, lows, highs, **band)
        area.plot(places, values, color=draw.COLORS[split], marker="o", markersize=3)
        area.set_ylim(-0.02, 1.02)
        area.xaxis.set_major_locator(MaxNLocator(integer=True))
        png = draw.png(canvas)
    caption = "The share of right answers among those that are asked at a position; bands are intervals of each."
    return Section("positions", "Positions", (finding,), figures=(Figure(f"positions_{split}", png, finding, caption),))
