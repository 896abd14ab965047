"""dlx runs"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from dlx.cli.arguments import add_json, command_parser
from dlx.core.errors import ArtefactError
from dlx.record import layout
from dlx.record.folder import RunFolder, run_folders
from dlx.record.members import is_ensemble
from dlx.record.safe_yaml import read_json, read_yaml

DEFAULT = Path("runs")


def parser() -> argparse.ArgumentParser:
    """Return the parser."""
    result = command_parser("runs", "List the runs of a folder, oldest first, and how they ended.", overrides=False)
    result.add_argument("folder", nargs="?", type=Path, default=DEFAULT, help="default: runs; or a sweep folder")
    add_json(result)
    return result


def run(args: argparse.Namespace) -> int:
    """Print one row per run."""
    if not args.folder.is_dir() and args.folder != DEFAULT:
        raise ArtefactError(f"{args.folder} is not a folder")
    inner = args.folder / layout.RUNS
    folder = inner if inner.is_dir() else args.folder
    ensembles = [path for path in folder.iterdir() if is_ensemble(path)] if folder.is_dir() else []
    rows = [describe(path) for path in sorted([*run_folders(folder), *ensembles])]
    if args.json:
        print(json.dumps(rows))
        return 0
    if not rows:
        print(f"no runs in {args.folder}")
        return 0
    print_table(rows)
    return 0


def describe(path: Path) -> dict[str, Any]:
    """Return what there is to say of a run; a damaged folder says so and stops nothing."""
    row: dict[str, Any] = {"run": path.name, "status": "damaged"}
    try:
        if is_ensemble(path):
            summary = read_json(path / layout.SUMMARY)
            return row | {"status": "done", "num_members": summary["num_members"], **_results(summary)}
        config, status = read_yaml(path / layout.CONFIG), RunFolder(path).status()
        row |= {"status": status["status"], "reason": status.get("reason"), "name": config.get("name"),
                "seed": config.get("seed"), "epochs": config.get("epochs"), "time": status.get("time")}
        if (path / layout.SUMMARY).is_file():
            row |= _results(read_json(path / layout.SUMMARY))
    except (ArtefactError, OSError, KeyError, TypeError) as error:
        row |= {"status": "damaged", "reason": str(error)}
    return row


def _results(summary: dict[str, Any]) -> dict[str, Any]:
    values = {(item["metric"], item["split"]): item["value"] for item in summary["metrics"]}
    metric = next((name for name, _ in values if name != "loss"), "loss")
    gap = next(item["value"] for item in summary["gaps"] if (item["metric"], item["split"]) == (metric, "val"))
    found = {"val": values[metric, "val"], "gap_val": gap}
    if any(value is not None and type(value) not in (int, float) for value in found.values()):
        raise TypeError(f"{layout.SUMMARY} holds what is no number")
    return {"epochs_run": summary.get("epochs_run"), "metric": metric, **found}


def print_table(rows: list[dict[str, Any]]) -> None:
    """Print runs as a table; names are never cut, so that they can be copied."""
    from rich import box
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    colours = {"done": "green", "running": "cyan", "created": "cyan", "interrupted": "yellow"}
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1), pad_edge=False)
    for column in ("run", "status", "epochs"):
        table.add_column(column, no_wrap=True, overflow="ignore")
    table.add_column("val")
    table.add_column("gap", no_wrap=True)
    for row in rows:
        reason = "".join(char if char.isprintable() else " " for char in str(row.get("reason") or ""))
        value = f"{row['metric']} {row['val']:.4g}" if row.get("val") is not None else reason
        gap = f"{row['gap_val']:+.3g}" if row.get("gap_val") is not None else ""
        status = row["status"]
        length = f"{row['num_members']} members" if "num_members" in row else (
            f"{row.get('epochs_run', '–')}/{row.get('epochs', '–')}")
        table.add_row(escape(row["run"]), f"[{colours.get(status, 'red')}]{status}[/]", escape(length), escape(value),
                      gap)
    Console().print(table)
