"""The margins of train_eval and test, drawn."""

from __future__ import annotations

import numpy as np
from matplotlib.ticker import MaxNLocator, PercentFormatter

from dlx.core.measures import Measures
from dlx.report import draw, words
from dlx.report.section import Figure

SPLITS = ("train_eval", "test")


def figure(found: Measures) -> Figure | None:
    """Draw the shares of examples by margin; None where there are none."""
    margins = found.details.get("margins")
    if not isinstance(margins, dict):
        return None
    edges = np.asarray(margins["edges"], np.float64)
    counts = {split: np.asarray(margins["counts"][split], np.float64) for split in SPLITS}
    with draw.style():
        picture = _draw(edges, counts)
    return Figure("margins", picture, _finding(found),
                  "Share of examples by margin, the logit of the true class minus the largest other one, in bins of "
                  "equal width. Left of 0 answers are wrong. The further test lies left of train_eval, the less of the "
                  "certainty carries over to new examples.")


def _draw(edges: np.ndarray, counts: dict[str, np.ndarray]) -> draw.Drawn:
    canvas = draw.figure(6.4, 3.4)
    area = draw.axes(canvas, (0.75, 0.55, 0.2, 0.4), "Margins", "margin", "share of examples")
    for split, own in counts.items():
        shares = own / own.sum()
        area.stairs(shares, edges, color=draw.COLORS[split], label=split, linewidth=1.6,
                    linestyle="-" if split == "train_eval" else "--")
        area.stairs(shares, edges, color=draw.COLORS[split], fill=True, alpha=0.12)
    area.axvline(0.0, color=draw.GREY, linewidth=1.0)
    area.set_ylim(0, None)
    area.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=None))
    area.yaxis.set_major_locator(MaxNLocator(6))
    area.legend(loc="best")
    return draw.png(canvas)


def _finding(found: Measures) -> str:
    def told(split: str) -> str:
        middle = found.find("margin_quantile", split, level=0.5)
        share = found.find("margin_negative_share", split)
        assert middle is not None
        assert share is not None
        return (f"on {split} the middle margin is {words.number(middle.value)} and "
                f"{words.percent(share.value or 0.0)}% are negative")

    return "Histogram of margins: " + "; ".join(map(told, SPLITS)) + "."
