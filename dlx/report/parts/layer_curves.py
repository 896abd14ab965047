"""What reached each layer and what it did: gradient norms and update ratios over the epochs, and idle units."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure as Canvas
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter

from dlx.core.measures import Measures
from dlx.report import draw, words
from dlx.report.files import RunFiles
from dlx.report.layers import Layers, Matrix
from dlx.report.section import Figure, Section, Table

# More layers than that are told apart in a map, not as lines.
MAX_LINES = 6
# More rows of a map than that do not each have a name beside them.
MAX_NAMED = 48
LINE_COLORS = (draw.BLUE, draw.ORANGE, draw.GREEN, draw.VERMILLION, draw.GREY, draw.INK)
HEALTHY = 1e-3
COLUMNS = ("layer", "gradient norm", "of the last layer's", "update ratio", "dead", "saturated")


def section(run: RunFiles) -> Section | None:
    """Draw and tabulate what is known of layers; None where nothing is."""
    measured = run.measures.get("training")
    rows = _rows(run.layers, measured)
    if not rows:
        return None
    figures = () if run.layers is None or not _is_drawable(run.layers) else (_figure(run.layers),)
    table = Table("Layers", COLUMNS, rows)
    return Section("layers", "Layer by layer", _sentences(run.layers, measured), tables=(table,), figures=figures,
                   notes=_notes(run.layers, measured))


def _rows(layers: Layers | None, measured: Measures | None) -> tuple[tuple[str, ...], ...]:
    idle = {name: {str(item.of["layer"]): words.percent(item.value) + "%" for item in measured.every(name)
                   if "layer" in item.of and item.value is not None}
            for name in ("dead_units", "saturated_units")} if measured is not None else {}
    names = dict.fromkeys([*(layers.names if layers is not None else ()), *(name for own in idle.values()
                                                                            for name in own)])
    columns: list[dict[str, str]] = [{}, {}, {}] if layers is None else [
        dict(zip(layers.names, map(_value, values), strict=True))
        for values in (layers.gradient_medians(), layers.gradient_ratios(), layers.update_medians())]
    columns += [idle.get(name, {}) for name in ("dead_units", "saturated_units")]
    return tuple((name, *(column.get(name, "–") for column in columns)) for name in names)


def _value(value: float) -> str:
    return f"{value:.2g}" if math.isfinite(value) else "–"


def _sentences(layers: Layers | None, measured: Measures | None) -> tuple[str, ...]:
    found = [] if layers is None else [*_span(layers, layers.gradient_medians(), "gradient norm"),
                                       *_span(layers, layers.update_medians(), "update ratio", "; about 0.001 is "
                                              "healthy")]
    for name, what in (("dead_units", "ReLU units are dead"), ("saturated_units", "sigmoid and tanh units are "
                                                                                 "saturated")):
        item = None if measured is None else measured.find(name, "train_eval")
        if item is not None and item.value is not None:
            found.append(f"With the weights kept, {words.percent(item.value)}% of the {what}, on {item.n:,} train "
                         f"examples.")
    return tuple(found)


def _span(layers: Layers, values: Matrix, what: str, more: str = "") -> list[str]:
    known = [(float(value), name) for value, name in zip(values, layers.names, strict=True) if math.isfinite(value)]
    if not known:
        return []
    low, high = min(known), max(known)
    if low[0] == high[0]:
        whose = low[1] if len(known) == 1 else "every layer"
        return [f"The {what} of {whose}, median over the epochs, is {low[0]:.2g}{more}."]
    return [f"The {what}, median over the epochs, lies between {low[0]:.2g} ({low[1]}) and "
            f"{high[0]:.2g} ({high[1]}){more}."]


def _notes(layers: Layers | None, measured: Measures | None) -> tuple[str, ...]:
    notes = [] if measured is None else list(measured.skipped)
    if layers is not None:
        notes.append("Gradient norm and update ratio are those of the last step of each epoch, in the table their "
                     "medians; an update ratio is the norm of what the step added to a weight over the norm of the "
                     "weight. See layers.csv.")
    if measured is not None and measured.every("dead_units"):
        notes.append("A ReLU unit is dead where it is 0 on all these examples; a unit of a convolution is a channel.")
    if measured is not None and measured.every("saturated_units"):
        share = measured.settings.get("saturated_share", 0.95)
        notes.append(f"A sigmoid unit h is saturated where |h − 0.5| > 0.45, a tanh unit where |h| > 0.9, for at least "
                     f"{100 * float(share):g}% of its values.")
    return tuple(notes)


def _is_drawable(layers: Layers) -> bool:
    return all(bool((values[np.isfinite(values)] > 0).any()) for values in (layers.gradients, layers.updates))


def _figure(layers: Layers) -> Figure:
    with draw.style():
        canvas = _lines(layers) if len(layers.names) <= MAX_LINES else _maps(layers)
        picture = draw.png(canvas)
    text = " ".join([*_span(layers, layers.gradient_medians(), "gradient norm"),
                     *_span(layers, layers.update_medians(), "update ratio")])
    kind = "Lines" if len(layers.names) <= MAX_LINES else "Rows, from the input at the top to the output,"
    return Figure("layers_over_epochs", picture, f"{words.count(len(layers.names), 'layer')} over "
                  f"{words.count(len(layers.epochs), 'epoch')}. {text}",
                  f"{kind} are layers; each value is of the last step of its epoch. What is left out was frozen or 0.")


def _lines(layers: Layers) -> Canvas:
    labels = [_short(name, 22) for name in layers.names]
    columns = 7 if max(map(len, labels)) <= 10 else 4
    # Beside the layers, the healthy ratio.
    more = 0.22 * (len(labels) // columns)
    height = 3.8 + more
    canvas = draw.figure(8.9, height)
    panels = (((0.97, 0.55, 4.75, 0.8 + more), "Gradient norm", layers.gradients),
              ((5.25, 0.55, 0.27, 0.8 + more), "Update ratio", layers.updates))
    for box, title, values in panels:
        area = draw.axes(canvas, box, title, "epoch", "")
        for index, label in enumerate(labels):
            area.plot(layers.epochs, _positive(values)[:, index], color=LINE_COLORS[index], label=label,
                      linestyle=("-", (0, (5, 1.5)))[index % 2], marker="o",
                      markersize=4.5 if len(layers.epochs) <= 12 else 2.2)
        area.set_yscale("log")
        if title == "Update ratio":
            area.axhline(HEALTHY, color=draw.GREY, linewidth=1.2, linestyle=":", label="0.001")
        _log_ticks(area, [*_positive(values).ravel(), *([HEALTHY] if title == "Update ratio" else [])])
        area.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=7, min_n_ticks=1))
    canvas.legend(*canvas.axes[1].get_legend_handles_labels(), loc="upper left", ncols=columns, borderaxespad=0,
                  borderpad=0, columnspacing=1.2, bbox_to_anchor=(0.97 / 8.9, 1 - 0.12 / height))
    return canvas


def _log_ticks(area: Axes, values: Sequence[float]) -> None:
    finite = [value for value in values if math.isfinite(value)]
    is_narrow = max(finite) < 100 * min(finite)
    area.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if is_narrow else (1,), numticks=12))
    area.yaxis.set_major_formatter(_tick)
    area.yaxis.set_minor_formatter(NullFormatter())


def _tick(value: float, _: object = None) -> str:
    return f"{value:g}"


def _positive(values: Matrix) -> Matrix:
    return np.where(np.isfinite(values) & (values > 0), values, np.nan)


def _maps(layers: Layers) -> Canvas:
    count = len(layers.names)
    height = 1.35 + min(7.0, max(2.0, 0.16 * count))
    canvas = draw.figure(8.9, height)
    for box, title, values in (((2.1, 0.55, 4.2, 0.45), "Gradient norm", layers.gradients),
                               ((5.55, 0.55, 0.8, 0.45), "Update ratio", layers.updates)):
        area = draw.axes(canvas, box, title, "epoch", "")
        shown = _positive(values)
        edges = np.append(layers.epochs - 0.5, layers.epochs[-1] + 0.5)
        norm = LogNorm(*_limits(shown))
        mesh = area.pcolormesh(edges, np.arange(count + 1) - 0.5, shown.T, norm=norm, cmap="cividis", rasterized=True)
        area.grid(visible=False)
        area.set_ylim(count - 0.5, -0.5)
        area.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6, min_n_ticks=1))
        places = np.unique(np.linspace(0, count - 1, min(count, MAX_NAMED)).round().astype(int))
        is_first = title == "Gradient norm"
        area.set_yticks(places if is_first else [], [_short(layers.names[place], 30) for place in places]
                        if is_first else [], fontsize=7.5)
        _color_bar(canvas, area, mesh)
    return canvas


def _short(name: str, longest: int) -> str:
    """Shorten a name at its beginning: layers differ at their ends."""
    text = draw.plain(name, 1000)
    return text if len(text) <= longest else "…" + text[1 - longest:]


def _limits(shown: Matrix) -> tuple[float, float]:
    low, high = float(np.nanmin(shown)), float(np.nanmax(shown))
    # A scale needs two ends.
    return (low, high) if high > 1.05 * low else (low / 2, high * 2)


def _color_bar(canvas: Canvas, area: Axes, mesh: object) -> None:
    box = area.get_position()
    place = canvas.add_axes((box.x1 + 0.012, box.y0, 0.013, box.height))
    bar = canvas.colorbar(mesh, cax=place)  # type: ignore[arg-type]
    low, high = mesh.norm.vmin, mesh.norm.vmax  # type: ignore[attr-defined]
    bar.ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if high < 100 * low else (1,), numticks=10))
    bar.ax.yaxis.set_major_formatter(_tick)
    bar.ax.yaxis.set_minor_formatter(NullFormatter())
    bar.ax.tick_params(labelsize=8)
