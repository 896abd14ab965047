"""A sweep folder as the report sees it: runs.csv, sweep.yaml and the runs' own files, read once and checked."""

from __future__ import annotations

import csv
import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dlx.core.errors import ArtefactError
from dlx.record import layout
from dlx.record.measures import read_section
from dlx.record.safe_yaml import read_json, read_text, read_yaml
from dlx.report.checks import Checks, parse_checks

DONE = "done"
# A hash names a folder, so nothing else may pass for one.
HASH = re.compile(r"[0-9a-f]{6,64}")


@dataclass(frozen=True)
class Run:
    """One row of runs.csv.

    Args:
        cells: the settings that vary, as written, by key.
        overrides: what was typed for it.
        reason: why it is not done, where its status.json says so.
        values: by column, such as val_loss; None where nothing was measured.
        division: its split, as JSON; runs with the same one differ by seed alone.
    """

    hash: str
    cells: Mapping[str, str]
    overrides: tuple[str, ...]
    status: str
    reason: str
    values: Mapping[str, float | None]
    division: str = ""


@dataclass(frozen=True)
class SweepFiles:
    """Everything of a sweep's folder that its report is made of.

    Args:
        folder: of the sweep.
        dataset: its name, where all runs share one.
        selection: the rule that ranks, such as best_val_loss.
        typed: what was typed for the sweep, one override each.
        runs: in the order of the plan.
        greater_is_better: by metric.
        num_examples: by split, of the first run that is done.
        checks: of data, and the run that it is of: the first that left any.
    """

    folder: Path
    dataset: str | None
    selection: str
    typed: tuple[str, ...]
    runs: tuple[Run, ...]
    keys: tuple[str, ...]
    greater_is_better: Mapping[str, bool]
    num_examples: Mapping[str, int]
    checks: tuple[str, Checks] | None = None


def read_sweep(folder: Path) -> SweepFiles:
    """Read a sweep folder.

    Raises:
        ArtefactError: it is none, or one of its files is damaged.
    """
    if not (folder / layout.SWEEP).is_file():
        raise ArtefactError(f"{folder} is not a sweep folder: it has no {layout.SWEEP}")
    plan = read_yaml(folder / layout.SWEEP)
    try:
        planned = {str(item["hash"]): item for item in plan["runs"]}
        rule, dataset = _first(plan, "selection"), plan["common"].get("dataset")
        keys, rows = _table(folder / layout.RUNS_TABLE)
        runs = tuple(_run(folder, row, keys, planned, plan["common"].get("split")) for row in rows)
    except (KeyError, TypeError, AttributeError) as error:
        raise ArtefactError(f"{folder / layout.SWEEP} is not a plan: {error!r}") from error
    better, sizes = _facts(folder, runs)
    typed = folder / layout.OVERRIDES
    return SweepFiles(
        folder=folder, dataset=None if not isinstance(dataset, Mapping) else str(dataset.get("part")),
        selection=str(rule), typed=tuple(_lines(typed)), runs=runs, keys=keys, greater_is_better=better,
        num_examples=sizes, checks=_checks(folder, runs))


def _checks(folder: Path, runs: Sequence[Run]) -> tuple[str, Checks] | None:
    measured = ((run.hash, read_section(folder / layout.RUNS / run.hash, "data")) for run in runs)
    found = ((name, None if own is None else parse_checks(own)) for name, own in measured)
    return next(((name, checks) for name, checks in found if checks is not None), None)


def _first(plan: Mapping[str, Any], key: str) -> Any:
    # A rule that varies ranks as that of the first run, as in leaderboard.csv.
    return plan["common"][key] if key in plan["common"] else plan["runs"][0]["values"][key]


def _lines(path: Path) -> list[str]:
    return [line for line in read_text(path).splitlines() if line] if path.is_file() else []


def _table(path: Path) -> tuple[tuple[str, ...], list[dict[str, str]]]:
    """Return the keys that vary, which stand between run and status, and the rows."""
    try:
        header, *rows = csv.reader(read_text(path).splitlines(), strict=True)
        keys = tuple(header[1 : header.index("status")])
        known = header[0] == "run" and len(set(header)) == len(header)
        if not known or any(len(row) != len(header) for row in rows):
            raise ValueError("its rows do not fit its header")
    except (csv.Error, ValueError) as error:
        raise ArtefactError(f"{path} refused: {error}") from error
    return keys, [dict(zip(header, row, strict=True)) for row in rows]


def _run(folder: Path, row: Mapping[str, str], keys: Sequence[str], planned: Mapping[str, Any],
         split: Any) -> Run:
    name = row["run"]
    if not HASH.fullmatch(name) or name not in planned:
        raise ArtefactError(f"{folder / layout.RUNS_TABLE} refused: {name[:80]!r} is no run of the plan")
    columns = [column for column in row if column not in ("run", "status", *keys)]
    values = {column: _number(folder / layout.RUNS_TABLE, row[column]) for column in columns}
    return Run(name, {key: row[key] for key in keys}, tuple(map(str, planned[name]["overrides"])), row["status"],
               "" if row["status"] == DONE else _reason(folder / layout.RUNS / name), values,
               json.dumps(planned[name]["values"].get("split", split)))


def _number(path: Path, cell: str) -> float | None:
    try:
        value = float(cell) if cell else math.nan
    except ValueError as error:
        raise ArtefactError(f"{path} refused: {error}") from error
    return value if math.isfinite(value) else None


def _reason(run: Path) -> str:
    if not (run / layout.STATUS).is_file():
        return "never started"
    try:
        return str(read_json(run / layout.STATUS).get("reason") or "")
    except ArtefactError as error:
        return str(error).replace(str(run), run.name)


def _facts(folder: Path, runs: Sequence[Run]) -> tuple[dict[str, bool], dict[str, int]]:
    """Return which way is better per metric, and how many examples the splits have."""
    better: dict[str, bool] = {}
    sizes: dict[str, int] = {}
    wanted = set(metrics(runs))
    for summary in _summaries(folder, runs):
        better |= {str(item["metric"]): bool(item["greater_is_better"]) for item in summary["metrics"]}
        sizes = sizes or {str(name): int(size) for name, size in (summary.get("num_examples") or {}).items()}
        if wanted <= set(better):
            break
    return better, sizes


def _summaries(folder: Path, runs: Sequence[Run]) -> Iterator[Mapping[str, Any]]:
    for run in runs:
        path = folder / layout.RUNS / run.hash / layout.SUMMARY
        if run.status == DONE and path.is_file():
            summary = read_json(path)
            try:
                yield {**summary, "metrics": [dict(item) for item in summary["metrics"]]}
            except (KeyError, TypeError, ValueError) as error:
                raise ArtefactError(f"{path} refused: {type(error).__name__} at {error}") from error


def metrics(runs: Sequence[Run]) -> tuple[str, ...]:
    """List the metrics of a table, in its order."""
    columns = runs[0].values if runs else ()
    return tuple(column.removeprefix("val_") for column in columns if column.startswith("val_"))
