"""summary.json: every metric of every split at the selected checkpoint, and the gaps, with intervals."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from dlx.core.intervals import Interval, mean
from dlx.core.types import Metric, Outcome

FORMAT = 1
TRAIN_EVAL = "train_eval"
HELD_OUT = ("val", "test")
SPLITS = (TRAIN_EVAL, *HELD_OUT)
# Of every run alike: intervals of two runs do not differ by the draws, and resamples are drawn once for many runs.
RESAMPLES_SEED = 0


class Measured(NamedTuple):
    """One metric of one split; the interval is None for train_eval, whose value is taken as known."""

    metric: str
    split: str
    value: float
    interval: Interval | None
    n: int
    greater_is_better: bool


def measure_all(metrics: Mapping[str, Metric], losses: Mapping[str, np.ndarray], outcomes: Mapping[str, Outcome],
                level: float) -> list[Measured]:
    """Measure the loss and every metric on every split, with intervals on val and test.

    Args:
        losses: of each example [N] without penalties, by split.
        outcomes: what the model said, by split.
    """
    rows = []
    for split, values in losses.items():
        interval = mean(values, level, RESAMPLES_SEED) if split in HELD_OUT else None
        rows.append(Measured("loss", split, float(values.mean()), interval, len(values), False))
    for name, metric in metrics.items():
        for split, outcome in outcomes.items():
            interval = metric.interval(outcome, level, RESAMPLES_SEED) if split in HELD_OUT else None
            rows.append(Measured(name, split, metric.value(outcome), interval, len(outcome.targets),
                                 metric.greater_is_better))
    return rows


def gaps(rows: list[Measured]) -> list[Measured]:
    """Return, per metric, its value on val and test minus that on train_eval.

    The interval is conditional on this model: train_eval is a known constant, not a sample, because the weights were
    fitted to it; so the interval of the split is shifted by it.
    """
    known = {row.metric: row.value for row in rows if row.split == TRAIN_EVAL}
    result = []
    for row in rows:
        if row.split in HELD_OUT:
            shift = known[row.metric]
            interval = row.interval and row.interval._replace(low=row.interval.low - shift,
                                                              high=row.interval.high - shift)
            result.append(row._replace(value=row.value - shift, interval=interval))
    return result


def selection_optimism(rows: list[Measured]) -> list[dict[str, Any]]:
    """Return, per metric, val minus test at the selected checkpoint: what choosing by val flatters val by."""
    values = {(row.metric, row.split): row.value for row in rows}
    names = dict.fromkeys(row.metric for row in rows)
    return [{"metric": name, "value": plain(values[name, "val"] - values[name, "test"])} for name in names]


def summarize(rows: list[Measured], level: float, **facts: Any) -> dict[str, Any]:
    """Assemble summary.json; facts come first."""
    return {
        "format": FORMAT,
        **facts,
        "level": level,
        "metrics": [as_record(row, level) for row in rows],
        "gaps": [as_record(row, level) for row in gaps(rows)],
        "selection_optimism": selection_optimism(rows),
    }


def as_record(row: Measured, level: float) -> dict[str, Any]:
    """Return a measured value as plain data; what is not finite becomes null."""
    interval = row.interval
    return {
        "metric": row.metric,
        "split": row.split,
        "value": plain(row.value),
        "low": None if interval is None else plain(interval.low),
        "high": None if interval is None else plain(interval.high),
        "method": None if interval is None else interval.method,
        "level": level,
        "n": row.n,
        "num_draws": 0 if interval is None else interval.num_draws,
        "greater_is_better": row.greater_is_better,
    }


def plain(value: float) -> float | None:
    """Return a finite number, or None."""
    return float(value) if math.isfinite(value) else None
