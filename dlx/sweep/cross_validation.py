"""cross_validation.json: what one configuration came to over its folds, without wall-clock, from run folders alone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from dlx.core.overlap import Overlap, mean_interval
from dlx.core.repeats import FOLDS, repeats
from dlx.record import atomic, layout
from dlx.sweep.plan import Plan
from dlx.sweep.tables import LEVEL, Result, flatten, overlap_of, varying

METHOD = "Nadeau-Bengio"
SPLITS = ("train_eval", "val", "test")
# The split that a gap was measured on, by its name.
GAPS = {"gap": "val", "test_gap": "test"}


class Averaged(NamedTuple):
    """A value over the folds of one configuration: mean, bounds and sample standard deviation; NaN where undefined."""

    metric: str
    split: str
    mean: float
    low: float
    high: float
    sd: float
    n: int


def is_cross_validation(plan: Plan) -> bool:
    """Say whether the runs of a plan differ by fold, and else by seed at most."""
    keys = varying(plan)
    return any(key in FOLDS for key in keys) and all(repeats(key) for key in keys)


def average(results: Sequence[Result]) -> list[Averaged]:
    """Average every metric and gap over the folds that are done."""
    done = [result for result in results if result.status == "done"]
    shared = overlap_of(done)
    metrics = list(dict.fromkeys(metric for result in done for metric, _ in result.values))
    return [_averaged(metric, split, np.array([value_of(result, metric, split) for result in done]), shared)
            for metric in metrics for split in (*SPLITS, *GAPS)]


def value_of(result: Result, metric: str, split: str) -> float:
    """Return a metric of a run on a split, or its gap there; NaN where there is none."""
    if split in GAPS:
        return value_of(result, metric, GAPS[split]) - value_of(result, metric, "train_eval")
    value = result.values.get((metric, split))
    return math.nan if value is None else value


def _averaged(metric: str, split: str, values: np.ndarray, shared: Overlap) -> Averaged:
    known = values[np.isfinite(values)]
    if len(known) == 0:
        return Averaged(metric, split, math.nan, math.nan, math.nan, math.nan, 0)
    mean, interval = mean_interval(values, GAPS.get(split, split), LEVEL, shared)
    sd = float(known.std(ddof=1)) if len(known) > 1 else math.nan
    return Averaged(metric, split, mean, interval.low, interval.high, sd, interval.n)


def write_cross_validation(folder: Path, plan: Plan, results: Sequence[Result]) -> None:
    """Write the averages, and the values of every fold that they are made of."""
    atomic.write_json(folder / layout.CROSS_VALIDATION, record(plan, results))


def record(plan: Plan, results: Sequence[Result]) -> dict[str, Any]:
    """Return what the file holds, as plain data; null is a value that there is not."""
    averages, keys = average(results), varying(plan)
    rows = [{"run": result.run.hash, **{key: flatten(result.run.saved)[key] for key in keys}, "status": result.status,
             "num_examples": dict(result.sizes),
             "values": {f"{split}_{metric}": finite(value_of(result, metric, split))
                        for metric in dict.fromkeys(own.metric for own in averages) for split in (*SPLITS, *GAPS)}}
            for result in results]
    return {"method": METHOD, "level": LEVEL, "num_runs": len(results),
            "num_done": sum(result.status == "done" for result in results),
            "averages": [{name: finite(value) for name, value in own._asdict().items()} for own in averages],
            "folds": rows}


def finite(value: Any) -> Any:
    """Return a value, null for a number that is not finite."""
    return None if isinstance(value, float) and not math.isfinite(value) else value
