"""Confusion matrix of a classification."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from dlx.report import draw, words
from dlx.report.files import RunFiles
from dlx.report.predictions import Predictions
from dlx.report.section import Figure, Section, Table

MAX_COUNTS, MAX_ZEROS = 30, 5
LETTER = 0.078  # inches
RIGHT_COLOR, WRONG_COLOR = np.array([0, 114, 178]) / 255, np.array([213, 94, 0]) / 255
MAX_PAIRS = 5


def section(run: RunFiles) -> Section | None:
    """Draw which class was taken for which on test, or on val where there is no test."""
    found = run.predictions
    if found is None or found.probs is None:
        return None
    split = next((name for name in ("test", "val") if len(found.of(name))), None)
    if split is None:
        return None
    names = tuple(run.class_names)
    counts = confusion_counts(found.of(split), len(names))
    right, total = int(np.trace(counts)), int(counts.sum())
    finding = f"On {split}, {right:,} of {total:,} examples were given their class, {total - right:,} another one."
    pairs = _pairs(counts, names)
    tables = (Table(f"Most frequent confusions on {split}", ("class", "taken for", "times", "of the class"), pairs),)
    with draw.style():
        figure = _figure(counts, names, split, finding)
    return Section(
        key="confusion", title="Confusions", sentences=(finding,), figures=(figure,), tables=tables if pairs else (),
        values={"split": split, "classes": list(names), "counts": counts.tolist()},
    )


def confusion_counts(found: Predictions, num_classes: int) -> NDArray[np.int64]:
    """Count examples [C, C]: row, their class; column, the class they were given."""
    cells = found.targets.astype(np.int64) * num_classes + found.predictions.astype(np.int64)
    return np.bincount(cells, minlength=num_classes**2).reshape(num_classes, num_classes)


def _pairs(counts: NDArray[np.int64], names: tuple[str, ...]) -> tuple[tuple[str, ...], ...]:
    wrong = counts.copy()
    np.fill_diagonal(wrong, 0)
    order = np.argsort(-wrong, axis=None, kind="stable")[:MAX_PAIRS]
    cells = [divmod(int(cell), len(names)) for cell in order if wrong.flat[cell] > 0]
    return tuple((names[row], names[column], f"{wrong[row, column]:,}",
                  f"{words.percent(wrong[row, column] / counts[row].sum())}%") for row, column in cells)


def _figure(counts: NDArray[np.int64], names: tuple[str, ...], split: str, finding: str) -> Figure:
    labels = [draw.plain(name, 16) for name in names]
    longest, num = max(map(len, labels)), len(names)
    side = float(np.clip(0.46 * num, 2.4, 7.5))
    slanted = LETTER * longest > side / num
    left, bottom = 0.6 + LETTER * longest, 0.45 + (LETTER * longest if slanted else 0.15)
    canvas = draw.figure(max(left + side + 0.25, 4.6), bottom + side + 0.5)
    width = float(canvas.get_size_inches()[0])
    area = draw.axes(canvas, (left, bottom, width - left - side, 0.5), f"Confusion matrix, {split}", "predicted class",
                     "true class")
    _paint(area, counts)
    thin = range(0, num, max(1, -(-num // MAX_COUNTS)))
    area.set_xticks(thin, [labels[index] for index in thin], rotation=90 if slanted else 0)
    area.set_yticks(thin, [labels[index] for index in thin])
    caption = (f"Rows are the true class, columns the class predicted on {split}. Blue is right, orange is wrong; the "
               f"deeper, the larger the share of the row.")
    return Figure(f"confusion_{split}", draw.png(canvas), finding, caption)


def _paint(area: Axes, counts: NDArray[np.int64]) -> None:
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    depth = np.where(counts > 0, 0.12 + 0.88 * np.sqrt(shares), 0)[..., None]
    colors = np.where(np.eye(len(counts), dtype=bool)[..., None], RIGHT_COLOR, WRONG_COLOR)
    area.imshow(1 - depth * (1 - colors), interpolation="nearest")
    area.grid(visible=False)
    area.tick_params(length=0)
    if len(counts) > MAX_COUNTS:
        return
    borders = np.arange(len(counts) + 1) - 0.5
    area.hlines(borders, -0.5, len(counts) - 0.5, color="#E5E7EB", linewidth=0.8)
    area.vlines(borders, -0.5, len(counts) - 0.5, color="#E5E7EB", linewidth=0.8)
    digits = max(2, len(str(counts.max())))
    size = float(np.clip(7.5 / len(counts) * 72 / (0.75 * digits), 4.5, 10))
    for row, column in zip(*np.nonzero((counts > 0) | (len(counts) <= MAX_ZEROS)), strict=True):
        area.text(column, row, f"{counts[row, column]}", ha="center", va="center", fontsize=size,
                  color="white" if depth[row, column, 0] > 0.6 else draw.INK)
