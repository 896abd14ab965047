"""Examples of a dataset as one picture: pictures by class, histograms of columns, waveforms, spectrograms."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.patches import Patch

from dlx.core.pixels import as_floats
from dlx.core.ragged import Ragged
from dlx.core.random import numpy_generator
from dlx.core.types import IGNORED, TaskSpec
from dlx.report import draw

COLUMNS, MAX_CLASSES = 10, 10
MAX_HISTOGRAMS, BINS = 16, 24
# Told apart with every kind of colour vision (Okabe and Ito 2008), and two greys.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#E69F00", "#CC79A7", "#56B4E9", "#F0E442", "#000000", "#6B7280", "#A3A3A3")
MAX_SERIES = 12


def picture(inputs: np.ndarray | Ragged, targets: np.ndarray, spec: TaskSpec) -> bytes | None:
    """Draw some examples, the same ones every time.

    Args:
        inputs: as the dataset gives them.

    Returns:
        A PNG; None for texts and tokens, which are read and not looked at.
    """
    if spec.layout in ("text", "tokens"):
        return None
    with draw.style():
        if spec.layout == "table":
            assert isinstance(inputs, np.ndarray)
            return draw.png(_histograms(inputs, targets, spec)).png
        if spec.layout == "image":
            assert isinstance(inputs, np.ndarray)
            return draw.png(_grid(inputs, targets, spec)).png
        return draw.png(_strips(inputs, targets, spec)).png


def chosen(targets: np.ndarray, spec: TaskSpec, per_class: int, most: int) -> list[np.ndarray]:
    """Choose examples: a list of rows for each class, or of any rows where there are no or too many classes."""
    order = numpy_generator(0, "examples").permutation(len(targets))
    if spec.kind == "classification" and spec.num_outputs <= MAX_CLASSES:
        return [order[targets[order] == label][:per_class] for label in range(spec.num_outputs)]
    some = order[:most]
    return [some[start : start + per_class] for start in range(0, len(some), per_class)]


def _label(target: np.ndarray, spec: TaskSpec) -> str:
    if spec.kind == "classification":
        number = int(target)
        return draw.plain(spec.class_names[number] if number < len(spec.class_names) else str(number), 14)
    if spec.kind in ("multilabel", "transcription"):
        named = np.flatnonzero(target) if spec.kind == "multilabel" else target[target != IGNORED]
        return draw.plain(" ".join(spec.class_names[number] for number in named), 20)
    return f"{float(target):.4g}" if spec.kind == "regression" else ""


def _grid(inputs: np.ndarray, targets: np.ndarray, spec: TaskSpec) -> Canvas:
    rows = [own for own in chosen(targets, spec, COLUMNS, 5 * COLUMNS) if len(own)]
    by_class = spec.kind == "classification" and spec.num_outputs <= MAX_CLASSES
    side, left, top = 0.78, 1.25 if by_class else 0.15, 0.25 if by_class else 0.1
    height = side if by_class else side + 0.25
    width = left + COLUMNS * side + 0.1
    canvas = draw.figure(width, top + len(rows) * height + 0.1)
    total = float(canvas.get_size_inches()[1])
    for number, own in enumerate(rows):
        for place, row in enumerate(own):
            low = total - top - (number + 1) * height
            area = canvas.add_axes(((left + place * side + 0.02) / width, low / total, (side - 0.04) / width,
                                    (side - 0.04) / total))
            _show(area, inputs[row])
            if not by_class:
                area.set_title(_label(targets[row], spec), fontsize=8, loc="center", pad=3, fontweight="normal")
        if by_class:
            canvas.text((left - 0.12) / width, (total - top - (number + 0.5) * height) / total,
                        _label(targets[own[0]], spec), ha="right", va="center")
    return canvas


def _show(area: Axes, image: np.ndarray) -> None:
    values = np.moveaxis(as_floats(image), 0, -1)
    values = values if values.shape[2] == 3 else values[:, :, :1]
    low, high = (0.0, 1.0) if image.dtype == np.uint8 else (float(np.nanmin(values)), float(np.nanmax(values)))
    values = np.clip((values - low) / max(high - low, 1e-12), 0, 1)
    area.imshow(values if values.shape[2] == 3 else values[:, :, 0], cmap="gray", vmin=0, vmax=1,
                interpolation="nearest")
    area.set_axis_off()


def _histograms(inputs: np.ndarray, targets: np.ndarray, spec: TaskSpec) -> Canvas:
    values = inputs.reshape(len(inputs), -1)[:, :MAX_HISTOGRAMS]
    names = [column.name for column in spec.columns] or [f"column {number}" for number in range(values.shape[1])]
    known = [column.categories for column in spec.columns] or [()] * values.shape[1]
    across = min(4, values.shape[1])
    down = math.ceil(values.shape[1] / across)
    by_class = spec.kind == "classification" and spec.num_outputs <= MAX_CLASSES
    foot = 0.4 if by_class else 0.1
    width, height = 0.25 + 2.5 * across, 0.1 + 1.9 * down + foot
    canvas = draw.figure(width, height)
    for number in range(values.shape[1]):
        row, column = divmod(number, across)
        box = (0.55 + 2.5 * column, foot + 1.9 * (down - 1 - row) + 0.35, width - 2.5 * (column + 1) - 0.2,
               0.1 + 1.9 * row + 0.3)
        area = draw.axes(canvas, box, draw.plain(names[number], 28), "", "")
        area.title.set_fontsize(9)
        _histogram(area, values[:, number], targets if by_class else None, spec, known[number])
    if by_class:
        handles = [Patch(color=PALETTE[label]) for label in range(spec.num_outputs)]
        canvas.legend(handles, [_label(np.array(label), spec) for label in range(spec.num_outputs)],
                      loc="lower center", ncols=min(spec.num_outputs, 6), frameon=False)
    return canvas


def _histogram(area: Axes, values: np.ndarray, labels: np.ndarray | None, spec: TaskSpec,
               categories: Sequence[str]) -> None:
    finite = np.isfinite(values)
    values, labels = values[finite].astype(np.float64), None if labels is None else labels[finite]
    area.tick_params(labelsize=7)
    if len(values) == 0:
        return
    edges = (np.arange(min(len(categories), BINS) + 1) - 0.5 if categories
             else np.histogram_bin_edges(values, min(BINS, max(1, len(np.unique(values))))))
    groups = [values] if labels is None else [values[labels == label] for label in range(spec.num_outputs)]
    colors = [draw.BLUE] if labels is None else list(PALETTE[: len(groups)])
    area.hist(groups, bins=list(edges), stacked=True, color=colors)
    if categories:
        shown = [draw.plain(name, 8) for name in categories[: len(edges) - 1]]
        area.set_xticks(range(len(shown)), shown, rotation=90 if len(shown) > 3 else 0)


def _strips(inputs: np.ndarray | Ragged, targets: np.ndarray, spec: TaskSpec) -> Canvas:
    """Draw waveforms, or series: as lines where they have few channels, else as pictures, time from left to right."""
    rows = np.concatenate(chosen(targets, spec, max(1, MAX_SERIES // max(1, min(spec.num_outputs, MAX_SERIES))),
                                 MAX_SERIES))[:MAX_SERIES]
    across = min(3, len(rows))
    down = math.ceil(len(rows) / across)
    width, height = 0.2 + 3.3 * across, 0.2 + 1.5 * down
    canvas = draw.figure(width, height)
    for number, row in enumerate(rows):
        line, column = divmod(number, across)
        box = (0.5 + 3.3 * column, 1.5 * (down - 1 - line) + 0.35, width - 3.3 * (column + 1) - 0.1,
               0.2 + 1.5 * line + 0.25)
        area = draw.axes(canvas, box, _label(targets[row], spec), "", "")
        area.title.set_fontsize(9)
        area.tick_params(labelsize=7)
        _strip(area, inputs, row, spec)
    return canvas


def _strip(area: Axes, inputs: np.ndarray | Ragged, row: int, spec: TaskSpec) -> None:
    if isinstance(inputs, Ragged):
        sound = inputs[np.array([row])].values
        area.plot(np.arange(len(sound)) / max(1, spec.sample_rate), sound, linewidth=0.5, color=draw.BLUE)
        return
    series = inputs[row][inputs[row][:, -1] > 0][:, :-1]
    if series.shape[1] <= 4:
        area.plot(series, linewidth=1)
    else:
        area.imshow(series.T, aspect="auto", origin="lower", interpolation="nearest", cmap="magma")
        area.grid(visible=False)
