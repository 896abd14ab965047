"""Sweeps that tests look at: one that was really run, and plans with results made up for them."""

from __future__ import annotations

import atexit
import contextlib
import csv
import functools
import io
import json
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from dlx.cli.main import main
from dlx.record.folder import RunFolder
from dlx.sweep.frozen import write_plan
from dlx.sweep.plan import Plan, PlannedRun

SWEEP = ("dataset=breast_cancer", "metric=[accuracy,nll]", "epochs=2", "model=linear,mlp", "optimizer.lr=1e-4,1e-2",
         "seed=0,1", "selection=best_val_accuracy", "name=small", "members=1")
GREATER = {"loss": False, "accuracy": True, "nll": False}
Numbers = Mapping[tuple[str, str], float | None]


@functools.cache
def swept() -> Path:
    """Run a sweep once in this process, and return its folder. It is shared: copy it before changing anything."""
    room = Path(tempfile.mkdtemp(prefix="dlx-sweep-"))
    atexit.register(shutil.rmtree, room, ignore_errors=True)
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(io.StringIO()):
        code = main(["sweep", "--json", f"runs_dir={room}", *SWEEP])
    assert code == 0
    folder = Path(json.loads(out.getvalue())["folder"])
    (room / "printed.json").write_text(out.getvalue())
    return folder


def printed() -> dict[str, Any]:
    """What the shared sweep printed."""
    return json.loads((swept().parent / "printed.json").read_text())


def rows_of(path: Path) -> list[dict[str, str]]:
    """Read a CSV file."""
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def summaries(folder: Path) -> dict[str, dict[str, Any]]:
    """Read every run's summary.json by the name of its folder."""
    return {path.parent.name: json.loads(path.read_text()) for path in (folder / "runs").glob("*/summary.json")}


def number(summary: Mapping[str, Any], metric: str, split: str) -> float | None:
    """Return a value of a summary; split "gap" is the gap on val."""
    rows, name = (summary["gaps"], "val") if split == "gap" else (summary["metrics"], split)
    value, = (row["value"] for row in rows if (row["metric"], row["split"]) == (metric, name))
    return value


def make_up(folder: Path, plan: Plan, values: Callable[[PlannedRun], Numbers | str | None]) -> None:
    """Freeze a plan, and give each run a result.

    Args:
        values: by run: numbers by (metric, split), with gaps as split "gap"; or a status without numbers; or None for a
            run that was never started.
    """
    write_plan(folder, plan)
    for run in plan.runs:
        result = values(run)
        if result is None:
            continue
        with RunFolder.at(folder / "runs" / run.hash) as made:
            if isinstance(result, str):
                made.set_status(result, reason=f"because {result}")
                continue
            rows = [{"metric": metric, "split": split.replace("gap", "val"), "value": value,
                     "greater_is_better": GREATER[metric]} for (metric, split), value in result.items()]
            gap = [split == "gap" for _, split in result]
            (made.path / "summary.json").write_text(json.dumps({
                "format": 1, "task": "classification",
                "metrics": [row for row, is_gap in zip(rows, gap, strict=True) if not is_gap],
                "gaps": [row for row, is_gap in zip(rows, gap, strict=True) if is_gap]}))
            made.set_status("done")
