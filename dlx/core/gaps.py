"""Metrics of the splits of one model, and its gaps: what summary.json and the report measure alike. N examples."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from dlx.core.intervals import Interval, mean

if TYPE_CHECKING:
    import numpy as np

    from dlx.core.types import Metric, Outcome

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
