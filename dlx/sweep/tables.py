"""runs.csv and leaderboard.csv: what a sweep found, sorted, without wall-clock, from run folders alone."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from dlx.config import options
from dlx.core.errors import ArtefactError
from dlx.core.overlap import Overlap, mean_interval, overlap
from dlx.core.repeats import FOLDS, SEED, SEEDS, repeats
from dlx.record import atomic, layout
from dlx.record.folder import RunFolder
from dlx.record.safe_yaml import read_json
from dlx.record.table import format_value
from dlx.sweep.plan import Plan, PlannedRun

# Keys that follow the seed unless they are set.
FOLLOW_SEED = ("split.seed", "dataset.train_seed", *SEEDS[1:])
LEVEL = 0.95


class Result(NamedTuple):
    """How a run of the plan ended.

    values: summary.json's by (metric, split), with gaps on val as split "gap"; better: by metric, whether greater is;
    sizes: number of examples by split.
    """

    run: PlannedRun
    status: str
    reason: str
    values: dict[tuple[str, str], float | None]
    better: dict[str, bool]
    sizes: Mapping[str, int] = {}


class Standing(NamedTuple):
    """A configuration over its seeds or folds: mean and interval of val, gap and test, by metric."""

    point: dict[str, Any]
    num_done: int
    num_runs: int
    val: dict[str, tuple[float, float, float]]
    gap: dict[str, tuple[float, float, float]]
    test: dict[str, tuple[float, float, float]]


def collect(folder: Path, plan: Plan) -> list[Result]:
    """Read what every run of the plan came to, in the plan's order."""
    return [_result(folder / layout.RUNS / run.hash, run) for run in plan.runs]


def _result(path: Path, run: PlannedRun) -> Result:
    if not (path / layout.STATUS).is_file():
        return Result(run, "missing", "never started", {}, {})
    try:
        status = RunFolder(path).status()
        summary = read_json(path / layout.SUMMARY) if (path / layout.SUMMARY).is_file() else {"metrics": [], "gaps": []}
        return _read(run, status, summary)
    except ArtefactError as error:
        return Result(run, "failed", str(error), {}, {})
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        return Result(run, "failed", f"{layout.STATUS} or {layout.SUMMARY} in {path} is damaged: {error!r}", {}, {})


def _read(run: PlannedRun, status: Mapping[str, Any], summary: Mapping[str, Any]) -> Result:
    values = {(item["metric"], item["split"]): _number(item["value"]) for item in summary["metrics"]}
    values |= {(item["metric"], "gap"): _number(item["value"]) for item in summary["gaps"] if item["split"] == "val"}
    better = {item["metric"]: item["greater_is_better"] for item in summary["metrics"]}
    sizes = {str(name): int(size) for name, size in summary.get("num_examples", {}).items()}
    return Result(run, status["status"], str(status.get("reason") or ""), values, better, sizes)


def _number(value: Any) -> float | None:
    if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
        raise TypeError(f"{str(value)[:50]!r} is not a number")
    return None if value is None else float(value)


def varying(plan: Plan) -> list[str]:
    """Return the keys that differ between runs, in the configuration's order; a choice of parts is one key."""
    flat = [settings_of(run.saved) for run in plan.runs]
    keys = dict.fromkeys(key for values in flat for key in values)
    differ = [key for key in keys if len({repr(values.get(key)) for values in flat}) > 1]
    # What follows the seed or comes with another part is implied by it, as its own default of a value is: effects of
    # both would be one and the same.
    follow = [key for key in FOLLOW_SEED if all(values.get(key) == values.get(SEED) for values in flat)]
    implied = {key for key in differ if _choice(key) in differ and key != _choice(key)
               and (any(key not in values for values in flat)
                    or (shown(key) not in plan.axes and _is_determined(flat, key, _choice(key))))}
    return [key for key in differ if key != "name" and key not in (*implied, *follow)]


def _is_determined(flat: Sequence[Mapping[str, Any]], key: str, choice: str) -> bool:
    """Say whether all configurations with the same choice have the same value."""
    pairs = {(repr(values.get(choice)), repr(values.get(key))) for values in flat}
    return len(pairs) == len({chosen for chosen, _ in pairs})


def settings_of(saved: Mapping[str, Any]) -> dict[str, Any]:
    """Flatten a configuration; which parts a list group has is one value, as it is typed."""
    flat: dict[str, Any] = {}
    for key, value in saved.items():
        own = flatten({key: value})
        if key in options.LIST_GROUPS:
            own = {key: ",".join(value) or "none"} | {name: item for name, item in own.items()
                                                      if name != key and not name.endswith(".part")}
        flat |= own
    return flat


def flatten(nested: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Turn {"a": {"b": 1}} into {"a.b": 1}; an empty mapping stays a value."""
    flat: dict[str, Any] = {}
    for key, value in nested.items():
        flat |= flatten(value, f"{prefix}{key}.") if isinstance(value, dict) and value else {f"{prefix}{key}": value}
    return flat


def _choice(key: str) -> str:
    group, _, rest = key.partition(".")
    return group if group in options.LIST_GROUPS or not rest else f"{group}.part"


def write_runs(folder: Path, plan: Plan, results: Sequence[Result]) -> None:
    """Write one row per run."""
    keys = varying(plan)
    columns = list(dict.fromkeys(key for result in results for key in result.values))
    header = ["run", *map(shown, keys), "status", *(f"{split}_{metric}" for metric, split in columns)]
    rows = []
    for result in results:
        flat = settings_of(result.run.saved)
        rows.append([result.run.hash, *(cell(flat.get(key)) for key in keys), result.status,
                     *(format_value(result.values.get(column)) for column in columns)])
    atomic.write_text(folder / layout.RUNS_TABLE, to_csv(header, rows))


def standings(plan: Plan, results: Sequence[Result]) -> list[Standing]:
    """Group runs that differ by seed or fold alone, and rank them by the mean of the selection's metric on val."""
    keys, of_folds = [key for key in varying(plan) if not repeats(key)], has_folds(plan)
    grouped: dict[str, list[Result]] = {}
    points: dict[str, dict[str, Any]] = {}
    for result in results:
        flat = settings_of(result.run.saved)
        point = {key: flat.get(key) for key in keys}
        points[repr(point)] = point
        grouped.setdefault(repr(point), []).append(result)
    table = [_standing(points[name], members, of_folds) for name, members in grouped.items()]
    metric, sign = ranking(results)
    return sorted(table, key=lambda row: _rank(row, metric, sign))


def _rank(row: Standing, metric: str, sign: float) -> float:
    mean = row.val[metric][0] if metric in row.val else math.nan
    return math.inf if math.isnan(mean) else sign * mean


def ranking(results: Sequence[Result]) -> tuple[str, float]:
    """Return the metric to rank by, that of the selection rule, and 1 where less is better, -1 where greater is."""
    rule = str(results[0].run.saved["selection"])
    metric = rule.removeprefix("best_val_") if rule.startswith("best_val_") else "loss"
    greater = any(result.better.get(metric, False) for result in results)
    return metric, -1.0 if greater else 1.0


def has_folds(plan: Plan) -> bool:
    """Say whether runs of one configuration differ by fold."""
    return any(key in FOLDS for key in varying(plan))


def _standing(point: dict[str, Any], members: Sequence[Result], of_folds: bool) -> Standing:
    done = [member for member in members if member.status == "done"]
    shared = overlap_of(done) if of_folds else None
    metrics = list(dict.fromkeys(metric for member in done for metric, _ in member.values))
    estimates = {split: {metric: estimate([member.values.get((metric, split)) for member in done], split, shared)
                         for metric in metrics} for split in ("val", "gap", "test")}
    return Standing(point, len(done), len(members), estimates["val"], estimates["gap"], estimates["test"])


def overlap_of(members: Sequence[Result]) -> Overlap:
    """Describe how folds of a configuration share data."""
    return overlap([json.dumps(member.run.saved["split"]) for member in members], [member.sizes for member in members])


def estimate(values: Sequence[float | None], split: str, shared: Overlap | None) -> tuple[float, float, float]:
    """Return mean, low and high of the values that are known; nan without any."""
    known = np.array([math.nan if value is None else value for value in values], np.float64)
    if not np.isfinite(known).any():
        return math.nan, math.nan, math.nan
    mean, interval = mean_interval(known, split, LEVEL, shared)
    return mean, interval.low, interval.high


def write_leaderboard(folder: Path, table: Sequence[Standing]) -> None:
    """Write one row per configuration, best first; intervals are 95% t intervals, those of folds corrected."""
    keys = list(table[0].point)
    metrics = list(dict.fromkeys(metric for row in table for metric in row.val))
    header = ["rank", *map(shown, keys), "runs_done", "runs"]
    header += [f"{split}_{metric}_{part}" for metric in metrics for split in ("val", "gap")
               for part in ("mean", "low", "high")]
    rows = []
    for rank, row in enumerate(table, 1):
        numbers = [format_value(None if math.isnan(number) else number) for metric in metrics
                   for estimates in (row.val, row.gap) for number in estimates.get(metric, (math.nan,) * 3)]
        rows.append([str(rank), *(cell(value) for value in row.point.values()), str(row.num_done), str(row.num_runs),
                     *numbers])
    atomic.write_text(folder / layout.LEADERBOARD, to_csv(header, rows))


def shown(key: str) -> str:
    """Return a key as it is typed: model for model.part."""
    return key.removesuffix(".part")


def cell(value: Any) -> str:
    """Format a value of a configuration."""
    return "" if value is None else format_value(value) if isinstance(value, float) else str(value)


def to_csv(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return CSV text."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue()
