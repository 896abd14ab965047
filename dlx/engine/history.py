"""The rows of metrics.csv, and the rules that read them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from dlx.core.errors import ConfigError
from dlx.core.hooks import History, OnHistory
from dlx.core.types import Metric, StreamedMetric

Row = dict[str, float | int | None]
SELECTION_PREFIX = "best_"
COUNTS = ("epoch", "step")


class Gradients(NamedTuple):
    """Of one epoch: mean and largest norm over its steps, and that of the first weight over the last, at its end."""

    mean: float
    largest: float
    ratio: float | None


def make_row(epoch: int, step: int, lr: float, train_loss: float, train_eval: Mapping[str, float],
             val: Mapping[str, float], gradients: Gradients, weight_norm: float, dead: float | None) -> Row:
    """Assemble one row; a number that is not finite is left empty.

    Args:
        epoch: 1 for the first.
        step: steps so far.
        lr: of the epoch's last step.
        train_loss: the minimised loss, penalties included, averaged over the epoch's examples as they were met.
        train_eval, val: loss and metrics, measured alike.
    """
    gap = {name: val[name] - train_eval[name] for name in val}
    values: Row = {"epoch": epoch, "step": step, "lr": lr, "train_loss": train_loss}
    for split, measured in (("train_eval", train_eval), ("val", val), ("gap", gap)):
        values |= {f"{split}_{name}": value for name, value in measured.items()}
    values |= {"grad_norm_mean": gradients.mean, "grad_norm_max": gradients.largest, "grad_ratio": gradients.ratio,
               "weight_norm": weight_norm, "dead_fraction": dead}
    return {name: value if value is not None and math.isfinite(value) else None for name, value in values.items()}


def directions(metrics: Mapping[str, Metric]) -> dict[str, bool]:
    """Return the columns that a rule may select or stop on, each with whether greater is better."""
    return {"val_loss": False} | {f"val_{name}": metrics[name].greater_is_better for name in streamed(metrics)}


def streamed(metrics: Mapping[str, Metric]) -> dict[str, StreamedMetric]:
    """Return the metrics that are measured after every epoch."""
    return {name: metric for name, metric in metrics.items() if isinstance(metric, StreamedMetric)}


def selected_column(rule: str, columns: Mapping[str, bool]) -> str | None:
    """Return the column of a selection rule, or None for "last".

    Raises:
        ConfigError: the rule does not exist.
    """
    if rule == "last":
        return None
    column = rule.removeprefix(SELECTION_PREFIX)
    if not rule.startswith(SELECTION_PREFIX) or column not in columns:
        allowed = ", ".join([SELECTION_PREFIX + name for name in columns] + ["last"])
        raise ConfigError(f"selection must be one of {allowed}, got {rule!r}")
    return column


def prefers(rule: str, columns: Mapping[str, bool], row: Row, best: Row | None) -> bool:
    """Say whether a selection rule prefers a new row over the best so far; of equals it keeps the earlier."""
    column = selected_column(rule, columns)
    if column is None or best is None:
        return column is None or row[column] is not None
    new, old = row[column], best[column]
    if new is None or old is None:
        return False
    return new > old if columns[column] else new < old


def stop_reason(rows: Sequence[Row], rules: Sequence[OnHistory], columns: Mapping[str, bool]) -> str | None:
    """Return why training ends after the last row, or None."""
    reasons = (rule.should_stop(History(rows, columns)) for rule in rules)
    return next((reason for reason in reasons if reason is not None), None)
