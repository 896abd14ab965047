"""Pictures of `dlx.report.calibration`: reliability before and after temperature, and the risk of answering."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.ticker import MaxNLocator, PercentFormatter

from dlx.core.intervals import proportion
from dlx.report import draw
from dlx.report.section import Figure

# Inches of margin of the two columns of the reliability diagram, and of its two rows.
SIDES = ((0.75, 4.95), (5.35, 0.35))
HEIGHT = 5.65
ROWS = ((1.95, 0.95), (0.55, HEIGHT - 1.5))
MAX_LABELLED = 20
BAND = "95% of shares if probabilities are true"
CAPTION = ("Above: the share of right answers in each bin of confidence, at the bin's mean confidence, with its "
           "{level:g}% Wilson or Clopper-Pearson interval; shaded, where 95% of the shares lie if the probabilities "
           "are true. On the diagonal, confidence and share agree. Below: examples in each bin.")


def reliability(panels: Sequence[tuple[str, Mapping[str, Any]]], split: str, level: float, alt: str) -> Figure:
    """Draw bins of confidence, a column each.

    Args:
        panels: title, and what `details` of the section holds of its bins; one or two.
    """
    with draw.style():
        canvas = draw.figure(9.6 if len(panels) == 2 else 5.0, HEIGHT)
        for (title, bins), (left, right) in zip(panels, SIDES, strict=False):
            sides = (left, right if len(panels) == 2 else SIDES[1][1])
            area = _shares(canvas, bins, sides, title, level)
            _counts(canvas, bins, sides)
        canvas.legend(*area.get_legend_handles_labels(), loc="upper left", ncols=2 * len(panels),
                      bbox_to_anchor=(SIDES[0][0] / canvas.get_figwidth(), 1.0), borderaxespad=0.2)
        picture = draw.png(canvas)
    return Figure(f"reliability_{split}", picture, alt, CAPTION.format(level=100 * level))


def _shares(canvas: Canvas, bins: Mapping[str, Any], sides: tuple[float, float], title: str, level: float
            ) -> Axes:
    area = draw.axes(canvas, (sides[0], ROWS[0][0], sides[1], ROWS[0][1]), title, "",
                     "share of right answers" if sides[0] == SIDES[0][0] else "")
    counts, right = np.array(bins["counts"]), np.array(bins["right"])
    full, width = np.flatnonzero(counts), 1 / len(counts)
    low, high = np.array(bins["band_low"])[full], np.array(bins["band_high"])[full]
    area.bar((full + 0.5) * width, high - low, width, bottom=low, color=draw.ORANGE, alpha=0.3, linewidth=0,
             label=BAND)
    area.plot([0, 1], [0, 1], color=draw.GREY, linewidth=1.2, linestyle="--", label="confidence = share")
    bounds = [proportion(int(right[at]), int(counts[at]), level) for at in full]
    confidence = np.array(bins["confidence"])[full]
    area.vlines(confidence, [item.low for item in bounds], [item.high for item in bounds], color=draw.BLUE,
                linewidth=1.4, label=f"{100 * level:g}% interval")
    area.plot(confidence, right[full] / counts[full], color=draw.BLUE, linestyle="", marker="o", markersize=4.5,
              label="share in a bin", clip_on=False, zorder=3)
    area.set(xlim=(0, 1), ylim=(0, 1.02))
    area.tick_params(labelbottom=False)
    area.yaxis.set_major_formatter(PercentFormatter(1.0))
    return area


def _counts(canvas: Canvas, bins: Mapping[str, Any], sides: tuple[float, float]) -> None:
    area = draw.axes(canvas, (sides[0], ROWS[1][0], sides[1], ROWS[1][1]), "",
                     "confidence: probability of the predicted class", "examples" if sides[0] == SIDES[0][0] else "")
    counts = np.array(bins["counts"])
    full, width, top = np.flatnonzero(counts), 1 / len(counts), int(counts.max())
    area.bar((full + 0.5) * width, counts[full], 0.9 * width, color=draw.GREY, alpha=0.6)
    for at in full if len(counts) <= MAX_LABELLED else ():
        area.text((at + 0.5) * width, counts[at] + 0.04 * top, f"{counts[at]}", ha="center", va="bottom",
                  fontsize=7 if top < 10_000 else 6)
    area.set(xlim=(0, 1), ylim=(0, 1.3 * top))
    area.xaxis.set_major_formatter(PercentFormatter(1.0))
    area.yaxis.set_major_locator(MaxNLocator(integer=True, nbins=3, min_n_ticks=1))


def risk_coverage(curves: Mapping[str, Mapping[str, Sequence[float]]], points: Sequence[tuple[str, float, float]],
                  alt: str) -> Figure:
    """Draw the share of wrong ones among those answered over the share that is answered.

    Args:
        curves: coverage and risk, by split.
        points: label, coverage and risk of thresholds on test.
    """
    with draw.style():
        canvas = draw.figure(6.4, 3.8)
        area = draw.axes(canvas, (0.8, 0.6, 0.2, 0.5), "Risk of answering the most confident", "share answered",
                         "share of them wrong")
        for split, curve in curves.items():
            area.plot(curve["coverage"], curve["risk"], color=draw.COLORS[split], label=split)
        _mark(area, points)
        highest = max([curve["risk"][-1] for curve in curves.values()] + [risk for *_, risk in points])
        area.set(xlim=(0, 1.01), ylim=(0, min(1.0, max(0.01, 1.6 * highest))))
        area.xaxis.set_major_formatter(PercentFormatter(1.0))
        area.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=1))
        area.legend(loc="upper left")
        picture = draw.png(canvas)
    return Figure("risk_coverage", picture, alt, "From left to right the model answers more: the most confident "
                  "first. A confidence that knew nothing of errors would give a level line. Dots: on test, what a "
                  "threshold that was chosen on val does.")


def _mark(area: Axes, points: Sequence[tuple[str, float, float]]) -> None:
    for label, coverage, risk in points:
        area.plot([coverage], [risk], color=draw.INK, linestyle="", marker="o", markersize=5, zorder=3)
        area.annotate(label, (coverage, risk), xytext=(-8, 8), textcoords="offset points", ha="right", fontsize=8)
