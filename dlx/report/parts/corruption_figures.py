"""Pictures of corruptions: curves over severities, and what they do to one example."""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator, PercentFormatter

from dlx.core.measures import Measures
from dlx.report import draw, words

SEVERITIES = (1, 2, 3, 4, 5)
PANEL_WIDTH, PANEL_HEIGHT = 2.05, 1.75
LEFT, BOTTOM, TOP = 0.8, 0.55, 0.02
# Of the contact sheet, in inches.
CELL, LABEL, HEAD = 0.55, 1.25, 0.35


def severity_curves(measures: Measures, metric: str, names: Sequence[str]) -> draw.Drawn:
    """Draw the metric over severities, a panel for each corruption, all on one scale."""
    columns = 3 if len(names) in (5, 6, 9) else min(4, len(names))
    rows = math.ceil(len(names) / columns)
    canvas = draw.figure(LEFT + columns * PANEL_WIDTH, TOP + rows * PANEL_HEIGHT + BOTTOM)
    width, height = canvas.get_size_inches()
    clean = measures.find("clean", "test", metric=metric)
    areas: list[Axes] = []
    for at, name in enumerate(names):
        left, top = LEFT + at % columns * PANEL_WIDTH, TOP + at // columns * PANEL_HEIGHT
        area = canvas.add_axes((left / width, 1 - (top + PANEL_HEIGHT - 0.12) / height, (PANEL_WIDTH - 0.2) / width,
                                (PANEL_HEIGHT - 0.5) / height), sharey=areas[0] if areas else None)
        _panel(area, measures, metric, name, None if clean is None else clean.value)
        is_lowest = at + columns >= len(names)
        area.tick_params(labelleft=at % columns == 0, labelbottom=is_lowest)
        area.set_xlabel("severity" if is_lowest else "")
        area.set_ylabel(words.label(metric) if at % columns == 0 else "")
        areas.append(area)
    areas[0].yaxis.set_major_locator(MaxNLocator(nbins=4, steps=[1, 2, 5, 10]))
    if words.is_share(metric):
        areas[0].yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    return draw.png(canvas)


def _panel(area: Axes, measures: Measures, metric: str, name: str, clean: float | None) -> None:
    found = [measures.find("corrupted", "test", metric=metric, corruption=name, severity=severity)
             for severity in SEVERITIES]
    values, lows, highs = ([math.nan if number is None or getattr(number, field) is None else getattr(number, field)
                            for number in found] for field in ("value", "low", "high"))
    if clean is not None:
        area.axhline(clean, color=draw.GREY, linewidth=1.2, linestyle=(0, (4, 2)))
    area.fill_between(SEVERITIES, lows, highs, color=draw.BLUE, alpha=0.18, linewidth=0)
    area.plot(SEVERITIES, values, color=draw.BLUE, marker="o", markersize=3.5, linewidth=1.5)
    area.set_title(name.replace("_", " "), fontsize=9.5, pad=4)
    area.set_xticks(SEVERITIES)
    area.set_xlim(0.7, 5.3)


def contact_sheet(pictures: Mapping[str, Any], shape: Sequence[int], names: Sequence[str]) -> draw.Drawn:
    """Draw for each corruption one example as it is and at the five severities.

    Args:
        pictures: by corruption, base64 of bytes of `shape` [h, w, 1 or 3], and of the example itself as "clean".
    """
    rows, block = math.ceil(len(names) / 2), LABEL + (1 + len(SEVERITIES)) * CELL
    canvas = draw.figure(2 * block + 0.2, HEAD + rows * CELL + 0.1)
    for half, own in enumerate([names[:rows], names[rows:]]):
        left = half * block + LABEL
        for row, name in enumerate(own):
            top = HEAD + row * CELL
            _word(canvas, name.replace("_", " "), left - 0.08, top + CELL / 2)
            for at, encoded in enumerate([*pictures["clean"], *pictures[name]]):
                _picture(canvas, encoded, shape, left + at * CELL, top)
        for at, head in enumerate(("clean", *map(str, SEVERITIES))):
            _word(canvas, head, left + (at + 0.45) * CELL, HEAD / 2, "center")
    return draw.png(canvas)


def _picture(canvas: Any, encoded: str, shape: Sequence[int], left: float, top: float) -> None:
    width, height = canvas.get_size_inches()
    values = np.frombuffer(base64.b64decode(encoded), np.uint8).reshape([int(size) for size in shape])
    area = canvas.add_axes((left / width, 1 - (top + CELL) / height, (CELL - 0.05) / width, (CELL - 0.05) / height))
    colours = values if values.shape[2] == 3 else values.repeat(3, axis=2)
    area.imshow(colours, interpolation="nearest")
    area.set_axis_off()


def _word(canvas: Any, text: str, right: float, middle: float, align: str = "right") -> None:
    width, height = canvas.get_size_inches()
    canvas.text(right / width, 1 - middle / height, text, ha=align, va="center", fontsize=9)
