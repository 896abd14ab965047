"""summary.json: every metric of every split at the selected checkpoint, and the gaps, with intervals."""

from __future__ import annotations

import math
from typing import Any

from dlx.core.gaps import Measured, gaps

FORMAT = 1


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
