"""Residual plot of a regression."""

from __future__ import annotations

from typing import Any

import numpy as np

from dlx.report import draw, words
from dlx.report.files import RunFiles
from dlx.report.predictions import Predictions
from dlx.report.section import Figure, Section, Table

FEW_DOTS, MAX_DOTS = 1_000, 5_000
COLUMNS = ("split", "n", "mean", "median", "spread (SD)", "RMSE")
LEFT, RIGHT = (0.8, 0.6, 4.68, 0.5), (5.18, 0.6, 0.2, 0.5)


def section(run: RunFiles) -> Section | None:
    """Draw predictions and residuals, prediction minus target, on test, or on val where there is no test."""
    found = run.predictions
    if found is None or found.probs is not None:
        return None
    splits = {name: part for name in ("test", "val") if len(part := found.of(name).finite())}
    if not splits:
        return None
    left_out = len(found) - len(found.finite())
    shown = next(iter(splits))
    rows = tuple((name, f"{len(part):,}", *map(words.number, _numbers(part).values())) for name, part in splits.items())
    with draw.style():
        figure = _figure(splits[shown], shown)
    return Section(
        key="residuals", title="Residuals", sentences=(_finding(splits[shown], shown),), figures=(figure,),
        tables=(Table("Residuals: prediction minus target", COLUMNS, rows),),
        points=(f"{left_out:,} predictions that are not finite are left out.",) if left_out else (),
        values={name: {"n": len(part), **_numbers(part)} for name, part in splits.items()},
    )


def _numbers(part: Predictions) -> dict[str, float]:
    residuals = part.predictions - part.targets
    return {"mean": float(residuals.mean()), "median": float(np.median(residuals)), "sd": float(residuals.std()),
            "rmse": float(np.sqrt(np.mean(residuals**2)))}


def _finding(part: Predictions, split: str) -> str:
    numbers = _numbers(part)
    side = "too high" if numbers["mean"] > 0 else "too low"
    return (f"On {split} predictions are {words.number(abs(numbers['mean']))} {side} on average; the typical error, "
            f"RMSE, is {words.number(numbers['rmse'])} (n = {len(part):,}).")


def _figure(part: Predictions, split: str) -> Figure:
    step = -(-len(part) // MAX_DOTS)
    targets, predictions = part.targets[::step], part.predictions[::step]
    residuals, rmse = predictions - targets, _numbers(part)["rmse"]
    size, alpha = (4.0, 0.6) if len(targets) < FEW_DOTS else (2.0, 0.3)
    dots: dict[str, Any] = {"linestyle": "", "marker": "o", "markersize": size, "color": draw.BLUE, "alpha": alpha,
                            "markeredgewidth": 0}
    canvas = draw.figure(9.0, 4.0)
    left = draw.axes(canvas, LEFT, f"Prediction and target, {split}", "target", "prediction")
    ends = [float(min(targets.min(), predictions.min())), float(max(targets.max(), predictions.max()))]
    left.plot(ends, ends, color=draw.GREY, linewidth=1.2, linestyle="--", label="prediction = target")
    left.plot(targets, predictions, **dots)
    left.legend(loc="best")
    right = draw.axes(canvas, RIGHT, f"Residuals, {split}", "prediction", "prediction − target")
    right.axhspan(-rmse, rmse, color=draw.ORANGE, alpha=0.15, linewidth=0, label=f"± RMSE {words.number(rmse)}")
    right.axhline(0, color=draw.GREY, linewidth=1.2)
    right.plot(predictions, residuals, **dots)
    right.legend(loc="best")
    shown = "" if step == 1 else f" Every {step}th example is drawn."
    return Figure(f"residuals_{split}", draw.png(canvas), _finding(part, split),
                  f"Each dot is one example of {split}. A trend or a funnel on the right is structure that the model "
                  f"missed.{shown}")
