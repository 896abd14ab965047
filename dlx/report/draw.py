"""Figures without pyplot: no global state, no window, the same bytes from the same numbers."""

from __future__ import annotations

import contextlib
import gc
import io
import math
import zlib
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure as Canvas
from matplotlib.font_manager import findfont, get_font
from numpy.typing import NDArray

# Of layout, and of pixels: a picture is shown at the former, and is still sharp on paper and on dense screens.
DPI, PIXELS = 110, 165
# Okabe and Ito 2008: told apart with every kind of colour vision.
BLUE, ORANGE, GREEN, VERMILLION, GREY, INK = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#6B7280", "#1F2937"
COLORS = {"train_eval": BLUE, "val": VERMILLION, "test": GREEN}
STYLE: dict[Any, Any] = {
    "font.family": "DejaVu Sans", "font.size": 10.0, "axes.titlesize": 11.0, "axes.titleweight": "bold",
    "axes.titlelocation": "left", "axes.titlepad": 8.0, "axes.labelsize": 10.0, "axes.labelcolor": INK,
    "axes.titlecolor": INK, "text.color": INK, "axes.edgecolor": "#9CA3AF", "axes.linewidth": 0.8,
    "axes.spines.top": False, "axes.spines.right": False, "axes.grid": True, "grid.color": "#E5E7EB",
    "grid.linewidth": 0.8, "axes.axisbelow": True, "xtick.color": INK, "ytick.color": INK, "xtick.labelsize": 9.0,
    "ytick.labelsize": 9.0, "legend.framealpha": 0.9, "legend.edgecolor": "white",
    "legend.fancybox": False, "legend.fontsize": 9.0, "lines.linewidth": 1.8,
    "figure.facecolor": "white", "axes.facecolor": "white", "axes.unicode_minus": False, "text.usetex": False,
    "text.parse_math": False, "pdf.fonttype": 42,
}


def figure(width: float, height: float) -> Canvas:
    """Make an empty figure, sizes in inches, with an Agg canvas."""
    canvas = Canvas(figsize=(width, height), dpi=DPI)
    FigureCanvasAgg(canvas)
    return canvas


def style() -> AbstractContextManager[None]:
    """Return a context in which figures have the report's look, whatever the user's matplotlibrc says."""
    return matplotlib.rc_context(STYLE)


@contextlib.contextmanager
def uncollected() -> Iterator[None]:
    """Hold off the collector of cycles, which takes a quarter of the time of drawing and finds next to nothing.

    matplotlib makes so many objects that all that is alive is searched again and again.
    """
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


def axes(canvas: Canvas, box: Sequence[float], title: str, xlabel: str, ylabel: str) -> Axes:
    """Add axes; box is left, bottom, right, top in inches of margin."""
    width, height = canvas.get_size_inches()
    left, bottom, right, top = box
    area = canvas.add_axes((left / width, bottom / height, (width - left - right) / width,
                            (height - bottom - top) / height))
    # A title whose place is given does not ask for that of every tick.
    area.set_title(title, y=1.0)
    area.set_xlabel(xlabel)
    area.set_ylabel(ylabel)
    return area


@dataclass(frozen=True)
class Drawn:
    """A figure as files hold it, without the time and the version that matplotlib would add."""

    canvas: Canvas

    @cached_property
    def png(self) -> bytes:
        """The pixels."""
        # Curves on a plain ground: runs of equal pixels are nearly all there is to find, and found the fastest.
        return self._saved("png", {"Software": None}, pil_kwargs={"compress_type": zlib.Z_RLE})

    @cached_property
    def pdf(self) -> bytes:
        """The lines, with the fonts inside as journals ask for."""
        # What the first drawing settles, such as limits and ticks, does not depend on which form is asked for first.
        assert self.png
        return self._saved("pdf", {"CreationDate": None, "Creator": None, "Producer": None})

    def _saved(self, form: str, metadata: dict[str, None], **more: Any) -> bytes:
        buffer = io.BytesIO()
        with style():
            self.canvas.savefig(buffer, format=form, dpi=PIXELS, metadata=metadata, **more)
        return buffer.getvalue()


def png(canvas: Canvas) -> Drawn:
    """Take a finished figure for the report; files are made of it when it is written."""
    return Drawn(canvas)


def plain(text: str, longest: int = 24) -> str:
    """Make text from a file fit to be drawn: shortened, "?" for what the font lacks."""
    known = _glyphs()
    text = "".join(letter if ord(letter) in known else "?" for letter in " ".join(text.split()))
    # Names that begin alike differ at the end.
    kept = longest // 3
    return text if len(text) <= longest else f"{text[: longest - 1 - kept]}…{text[-kept:]}"


@cache
def _glyphs() -> frozenset[int]:
    return frozenset(get_font(findfont("DejaVu Sans")).get_charmap())


def widely_spread(*curves: NDArray[np.float64]) -> bool:
    """Say whether positive curves span so much that a logarithmic axis shows them better."""
    values = [float(value) for curve in curves for value in curve if math.isfinite(value)]
    return bool(values) and min(values) > 0 and max(values) > 30 * min(values)
