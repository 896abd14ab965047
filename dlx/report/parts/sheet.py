"""Pictures and waveforms of single rows beside each other: a contact sheet. Rows that are read are cells of a table."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes

from dlx.measure.excerpts import pixels_of
from dlx.report import draw

ACROSS, WIDE_ACROSS, SIDE, GAP, HEAD = 6, 4, 1.3, 0.12, 0.42
WIDE = 1.98
PICTURES = ("image", "wave")


class Cell(NamedTuple):
    """One row: lines above it, what is kept of it (see `dlx.measure.excerpts`), and whether it stands out."""

    lines: tuple[str, str]
    row: Mapping[str, Any]
    stands_out: bool = False


def sheet(cells: Sequence[Cell]) -> draw.Drawn | None:
    """Draw the cells that are pictures or waveforms; None where there are none.

    Raises:
        ValueError, KeyError, TypeError: an excerpt is not one.
    """
    cells = [cell for cell in cells if cell.row["kind"] in PICTURES]
    if not cells:
        return None
    wide = any(cell.row["kind"] == "wave" for cell in cells)
    across, width = (WIDE_ACROSS, WIDE) if wide else (ACROSS, SIDE)
    height = 1.0 if wide else SIDE
    down = math.ceil(len(cells) / across)
    with draw.style():
        canvas = draw.figure(across * (width + GAP) + GAP, down * (height + HEAD) + GAP)
        # One pair of axes, in inches: one for each cell takes ten times as long.
        area = canvas.add_axes((0, 0, 1, 1))
        for number, cell in enumerate(cells):
            row, column = divmod(number, across)
            corner = (GAP + column * (width + GAP), GAP + (down - 1 - row) * (height + HEAD))
            _paint(area, cell.row, (*corner, corner[0] + width, corner[1] + height))
            _head(area, cell, corner[0] + width / 2, corner[1] + height)
        area.set_axis_off()
        area.set_aspect("auto")
        area.set_xlim(0, float(canvas.get_size_inches()[0]))
        area.set_ylim(0, float(canvas.get_size_inches()[1]))
        return draw.png(canvas)


def _head(area: Axes, cell: Cell, middle: float, top: float) -> None:
    strong = draw.VERMILLION if cell.stands_out else draw.INK
    area.text(middle, top + 0.2, cell.lines[0], ha="center", va="bottom", fontsize=8.5, fontweight="bold", color=strong)
    area.text(middle, top + 0.05, cell.lines[1], ha="center", va="bottom", fontsize=7,
              color=strong if cell.stands_out else draw.GREY)


def _paint(area: Axes, row: Mapping[str, Any], box: tuple[float, float, float, float]) -> None:
    """Draw a row into a box: left, bottom, right, top."""
    left, bottom, right, top = box
    if row["kind"] == "image":
        pixels = pixels_of(row)
        flat = pixels.ndim == 2
        area.imshow(pixels, cmap="gray" if flat else None, vmin=0 if flat else None, vmax=255 if flat else None,
                    interpolation="nearest", extent=_fitted(box, pixels.shape[1] / pixels.shape[0]))
    else:
        low, high = (np.array(row[name], np.float64) for name in ("low", "high"))
        reach = max(float(np.abs([*low, *high]).max(initial=0)), 1e-12)
        middle, scale = (bottom + top) / 2, (top - bottom) / 2 / reach
        area.fill_between(np.linspace(left, right, len(low)), middle + scale * low, middle + scale * high,
                          color=draw.BLUE, linewidth=0.6)


def _fitted(box: tuple[float, float, float, float], ratio: float) -> tuple[float, float, float, float]:
    """Return left, right, bottom, top of the largest picture of a ratio of width to height in a box; not too narrow."""
    left, bottom, right, top = box
    ratio = min(max(ratio, 0.2), 5.0) * (top - bottom) / (right - left)
    width, height = (right - left) * min(1, ratio), (top - bottom) * min(1, 1 / ratio)
    x, y = (left + right) / 2, (bottom + top) / 2
    return x - width / 2, x + width / 2, y - height / 2, y + height / 2


def in_words(row: Mapping[str, Any]) -> str:
    """Write what is read of a row: its text, its unusual values, how long it is, and its notes.

    Raises:
        ValueError, KeyError, TypeError: an excerpt is not one.
    """
    told = str(row["text"]) if row["kind"] == "text" else ""
    if row["kind"] == "table":
        told = _pairs(row["values"])
    notes = _pairs(row.get("notes", ()))
    if row["kind"] == "wave" and "length" not in notes:
        told = f"length {float(row['length']):.4g}"
    return f"{told}; {notes}" if told and notes else told or notes


def _pairs(pairs: Sequence[Sequence[Any]]) -> str:
    return ", ".join(f"{name} {value}" for name, value in pairs)
