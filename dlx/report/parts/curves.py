"""Training history and the gap over epochs."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.ticker import MaxNLocator, PercentFormatter

from dlx.report import draw, words
from dlx.report.files import RunFiles
from dlx.report.history import History
from dlx.report.section import Figure, Section

SIZE = (8.9, 3.8)
MAX_MARKERS = 12
LEFT, RIGHT = (0.97, 0.55, 4.55, 0.8), (5.25, 0.55, 0.27, 0.8)


def section(run: RunFiles) -> Section | None:
    """Draw both, where at least one epoch ended with a finite loss."""
    history = run.history
    if not (history.has("train_eval_loss") or history.has("val_loss")):
        return None
    metric = history.shown_metric()
    with draw.style():
        figures = (_history_figure(run, metric), _gap_figure(run, metric))
    last = {name: history.last(name) for name in history.columns if name.startswith(("train_eval_", "val_", "gap_"))}
    return Section(
        key="curves", title="Over the epochs",
        sentences=("After every epoch train_eval and val are measured in the same way: the model in evaluation mode, "
                   "no augmentation, no penalty in the loss.",),
        figures=figures, values={"num_epochs": history.num_epochs, "last": last},
    )


def _history_figure(run: RunFiles, metric: str | None) -> Figure:
    canvas = draw.figure(*SIZE)
    _curve_panel(draw.axes(canvas, LEFT, "Loss", "epoch", "loss"), run, "loss")
    if metric is not None:
        _curve_panel(draw.axes(canvas, RIGHT, words.title(metric), "epoch", words.label(metric)), run, metric)
    _legend(canvas)
    return Figure("training_history", draw.png(canvas), _history_alt(run, metric),
                  "Training history. The dotted line marks the epoch whose weights were kept.")


def _curve_panel(area: Axes, run: RunFiles, metric: str) -> None:
    history = run.history
    curves = {split: history.column(f"{split}_{metric}") for split in ("train_eval", "val")}
    for split, curve in curves.items():
        _line(area, history, curve, split)
    if metric == "loss" and draw.widely_spread(*curves.values()):
        area.set_yscale("log")
    _finish(area, run, metric)


def _line(area: Axes, history: History, curve: np.ndarray, split: str, label: str | None = None) -> None:
    shown = np.where(np.isfinite(curve), curve, np.nan)
    area.plot(history.epochs, shown, color=draw.COLORS[split], label=label or split,
              linestyle="-" if split == "train_eval" else (0, (5, 1.5)),
              marker="o" if history.num_epochs <= MAX_MARKERS else None, markersize=4.5)


def _finish(area: Axes, run: RunFiles, metric: str) -> None:
    epochs = run.history.epochs
    margin = max(0.5, 0.03 * len(epochs))
    area.set_xlim(epochs[0] - margin, epochs[-1] + margin)
    area.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=7, min_n_ticks=1))
    if area.get_yscale() == "linear":
        area.yaxis.set_major_locator(MaxNLocator(nbins=6, steps=[1, 2, 5, 10]))
    area.yaxis.set_major_formatter(PercentFormatter(1.0) if words.is_share(metric) else _plain_ticks)
    selected = None if run.summary is None else run.summary.selected_epoch
    if selected is not None:
        area.axvline(selected, color=draw.INK, linewidth=1.2, linestyle=":", label=f"selected: epoch {selected}")


def _gap_figure(run: RunFiles, metric: str | None) -> Figure:
    canvas = draw.figure(*SIZE)
    _gap_panel(draw.axes(canvas, LEFT, "Gap in loss", "epoch", "val − train_eval"), run, "loss")
    if metric is not None:
        ylabel = "val − train_eval" + (", in points" if words.is_share(metric) else "")
        _gap_panel(draw.axes(canvas, RIGHT, f"Gap in {words.label(metric)}", "epoch", ylabel), run, metric)
    _legend(canvas)
    return Figure("gap_over_epochs", draw.png(canvas), _gap_alt(run, metric),
                  "The gap, val minus train_eval, after every epoch; at 0 the model does as well on val as on the "
                  "examples it was trained on. The bar, where there is one, is the interval at the selected epoch.")


def _gap_panel(area: Axes, run: RunFiles, metric: str) -> None:
    scale = 100.0 if words.is_share(metric) else 1.0
    area.axhline(0, color=draw.GREY, linewidth=1.0)
    _line(area, run.history, scale * _gap(run.history, metric), "val", "gap")
    _finish(area, run, "loss")
    gap = None if run.summary is None else run.summary.gap(metric, "val")
    epoch = None if run.summary is None else run.summary.selected_epoch
    if gap is not None and epoch is not None and None not in (gap.value, gap.low, gap.high):
        value, low, high = (scale * float(bound) for bound in (gap.value, gap.low, gap.high) if bound is not None)
        area.vlines(epoch, low, high, color=draw.INK, linewidth=2.2, label=f"{100 * gap.level:g}% interval", zorder=3)
        area.plot([epoch], [value], color=draw.INK, marker="o", markersize=5, zorder=3)


def _plain_ticks(value: float, _: float) -> str:
    return f"{value:g}"


def _legend(canvas: Canvas) -> None:
    # Above the panels, where it never hides a curve.
    pairs = (zip(*area.get_legend_handles_labels(), strict=True) for area in canvas.axes)
    found = {label: handle for panel in pairs for handle, label in panel}
    width, height = canvas.get_size_inches()
    canvas.legend(found.values(), found.keys(), loc="upper left", ncols=len(found), borderaxespad=0, borderpad=0,
                  bbox_to_anchor=(LEFT[0] / width, 1 - 0.12 / height))


def _gap(history: History, metric: str) -> np.ndarray:
    if history.has(f"gap_{metric}"):
        return history.column(f"gap_{metric}")
    return history.column(f"val_{metric}") - history.column(f"train_eval_{metric}")


def _history_alt(run: RunFiles, metric: str | None) -> str:
    parts = [_span(run.history, name) for name in ("loss", metric) if name is not None]
    selected = None if run.summary is None else run.summary.selected_epoch
    kept = "" if selected is None else f" The weights of epoch {selected} were kept."
    return f"Training history over {words.count(run.history.num_epochs, 'epoch')}. {' '.join(parts)}{kept}"


def _span(history: History, metric: str) -> str:
    texts = []
    for split in ("train_eval", "val"):
        curve = history.column(f"{split}_{metric}")
        finite = curve[np.isfinite(curve)]
        if finite.size:
            first, last = words.measured(metric, float(finite[0])), words.measured(metric, float(finite[-1]))
            texts.append(f"{split} {words.label(metric)} goes from {first} to {last}")
    return "; ".join(texts) + "."


def _gap_alt(run: RunFiles, metric: str | None) -> str:
    texts = []
    for name in ("loss", metric):
        curve = np.array([]) if name is None else _gap(run.history, name)
        finite = curve[np.isfinite(curve)]
        if name is not None and finite.size:
            first, last = (words.difference(name, float(value), None, None) for value in (finite[0], finite[-1]))
            texts.append(f"The gap in {words.label(name)} goes from {first} to {last}.")
    return " ".join(texts)
