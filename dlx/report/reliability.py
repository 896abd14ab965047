"""Reliability diagram of a classification: does 80% sure mean right 80% of the time?"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure as Canvas
from matplotlib.ticker import MaxNLocator, PercentFormatter
from numpy.typing import NDArray

from dlx.core.intervals import proportion
from dlx.report import draw, words
from dlx.report.files import RunFiles
from dlx.report.predictions import Predictions
from dlx.report.section import Figure, Section, Table

NUM_BINS = 15
EXPLANATION = (f"ECE is the mean distance between confidence and share of right answers over {NUM_BINS} bins, weighted "
               f"by their examples. Few examples inflate it: even perfect probabilities give more than 0, the more the "
               f"smaller n.")


class Bins(NamedTuple):
    """Examples by confidence, the probability of the predicted class, in K equal bins (low, high] of [0, 1].

    edges [K + 1]; counts, right (how many were predicted rightly) and confidence (mean, NaN where empty), each [K].
    """

    edges: NDArray[np.float64]
    counts: NDArray[np.int64]
    right: NDArray[np.int64]
    confidence: NDArray[np.float64]


def bin_by_confidence(probs: NDArray[np.float64], is_right: NDArray[np.bool_], num_bins: int = NUM_BINS) -> Bins:
    """Sort examples into bins; a confidence of exactly 1 belongs to the last.

    Args:
        probs: class probabilities [N, C].
        is_right: whether the predicted class is the target [N].
        num_bins: K.
    """
    confidence = probs.max(axis=1)
    edges = np.linspace(0.0, 1.0, num_bins + 1)
    index = np.clip(np.searchsorted(edges, confidence, side="left") - 1, 0, num_bins - 1)
    counts = np.bincount(index, minlength=num_bins)
    totals = np.bincount(index, weights=confidence, minlength=num_bins)
    mean = np.where(counts > 0, totals / np.maximum(counts, 1), np.nan)
    return Bins(edges, counts, np.bincount(index[is_right], minlength=num_bins), mean)


def expected_calibration_error(bins: Bins) -> float:
    """Return Σ_b n_b/n · |right_b/n_b - confidence_b| over the bins with examples (Naeini, Cooper, Hauskrecht 2015)."""
    full = bins.counts > 0
    distance = np.abs(bins.right[full] / bins.counts[full] - bins.confidence[full])
    return float((bins.counts[full] * distance).sum() / bins.counts.sum())


def section(run: RunFiles) -> Section | None:
    """Draw the reliability on test, or on val where there is no test, and tabulate both."""
    if run.predictions is None or run.predictions.probs is None:
        return None
    splits = {name: part for name in ("test", "val") if len(part := run.predictions.of(name))}
    if not splits:
        return None
    bins = {name: _bins(part) for name, part in splits.items()}
    shown = next(iter(bins))
    rows = tuple((name, f"{item.counts.sum():,}", f"{words.percent(item.right.sum() / item.counts.sum())}%",
                  f"{words.percent(_mean_confidence(item))}%", words.number(expected_calibration_error(item)))
                 for name, item in bins.items())
    with draw.style():
        figure = _figure(bins[shown], shown)
    return Section(
        key="reliability", title="How far probabilities can be trusted",
        sentences=(_finding(bins[shown], shown), EXPLANATION),
        tables=(Table("Calibration", ("split", "n", "right", "mean confidence", f"ECE, {NUM_BINS} bins"), rows),),
        figures=(figure,), values={name: _values(item) for name, item in bins.items()},
    )


def _bins(part: Predictions) -> Bins:
    assert part.probs is not None
    return bin_by_confidence(part.probs, part.predictions == part.targets)


def _mean_confidence(bins: Bins) -> float:
    return float(np.nansum(bins.counts * bins.confidence) / bins.counts.sum())


def _finding(bins: Bins, split: str) -> str:
    sure, right = _mean_confidence(bins), bins.right.sum() / bins.counts.sum()
    return (f"On {split} the model is {words.percent(sure)}% sure on average and right {words.percent(right)}% of the "
            f"time; ECE is {words.number(expected_calibration_error(bins))} with n = {bins.counts.sum():,}.")


def _values(bins: Bins) -> dict[str, object]:
    return {
        "ece": expected_calibration_error(bins), "n": int(bins.counts.sum()), "num_bins": len(bins.counts),
        "edges": bins.edges.tolist(), "counts": bins.counts.tolist(), "right": bins.right.tolist(),
        "mean_confidence": [None if np.isnan(value) else float(value) for value in bins.confidence],
    }


def _figure(bins: Bins, split: str) -> Figure:
    canvas = draw.figure(6.4, 5.2)
    _draw_shares(canvas, bins, split)
    _draw_counts(canvas, bins)
    return Figure(f"reliability_{split}", draw.png(canvas), _finding(bins, split),
                  "Above: the share of right answers in each bin of confidence, with its 95% Wilson or Clopper-Pearson "
                  "interval; on the diagonal, confidence and share agree. Below: examples in each bin.")


def _draw_shares(canvas: Canvas, bins: Bins, split: str) -> None:
    n, ece = int(bins.counts.sum()), expected_calibration_error(bins)
    area = draw.axes(canvas, (0.8, 1.95, 0.2, 0.5), f"Reliability, {split}: ECE {words.number(ece)}, n = {n:,}", "",
                     "share of right answers")
    full = np.flatnonzero(bins.counts)
    shares, width = bins.right[full] / bins.counts[full], bins.edges[1]
    bounds = [proportion(int(bins.right[index]), int(bins.counts[index]), 0.95) for index in full]
    area.plot([0, 1], [0, 1], color=draw.GREY, linewidth=1.2, linestyle="--", label="confidence = share")
    area.bar(bins.edges[full] + width / 2, shares, width=0.9 * width, color=draw.BLUE, alpha=0.35)
    area.vlines(bins.confidence[full], [item.low for item in bounds], [item.high for item in bounds], color=draw.BLUE,
                linewidth=1.4, label="95% interval")
    area.plot(bins.confidence[full], shares, color=draw.BLUE, linestyle="", marker="o", markersize=5,
              label="share in a bin", clip_on=False, zorder=3)
    area.set(xlim=(0, 1), ylim=(0, 1.02))
    area.tick_params(labelbottom=False)
    area.yaxis.set_major_formatter(PercentFormatter(1.0))
    area.legend(loc="upper left", ncols=1 if full[0] > len(bins.counts) // 3 else 3)


def _draw_counts(canvas: Canvas, bins: Bins) -> None:
    area = draw.axes(canvas, (0.8, 0.55, 0.2, 3.4), "", "confidence: probability of the predicted class", "examples")
    width, top = bins.edges[1], int(bins.counts.max())
    full = np.flatnonzero(bins.counts)
    area.bar(bins.edges[full] + width / 2, bins.counts[full], width=0.9 * width, color=draw.GREY, alpha=0.6)
    for index in full:
        area.text(bins.edges[index] + width / 2, bins.counts[index] + 0.03 * top, f"{bins.counts[index]}", ha="center",
                  va="bottom", fontsize=8)
    area.set(xlim=(0, 1), ylim=(0, 1.28 * top))
    area.xaxis.set_major_formatter(PercentFormatter(1.0))
    area.yaxis.set_major_locator(MaxNLocator(integer=True, nbins=3, min_n_ticks=1))
