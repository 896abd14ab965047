"""Runs that are not done, and what they have in common."""

from __future__ import annotations

from dlx.core.repeats import repeats
from dlx.report import words
from dlx.report.section import Section, Table
from dlx.report.sweep.axes import readable
from dlx.report.sweep.basis import basis
from dlx.report.sweep.files import DONE, Run
from dlx.report.sweep.points import Sweep

MAX_ROWS = 25
MAX_REASON = 200
MOST = 0.8


def section(sweep: Sweep) -> Section | None:
    """List them with status and reason, where there are any."""
    runs = sweep.files.runs
    failed = [run for run in runs if run.status != DONE]
    if not failed:
        return None
    rest = len(failed) - MAX_ROWS
    more = f" The table shows the first {MAX_ROWS}; {words.count(rest, 'run')} more in runs.csv." if rest > 0 else ""
    return Section(
        key="failures", title="Runs that are not done",
        sentences=(f"{words.count(len(failed), 'run')} of {len(runs):,} {'is' if len(failed) == 1 else 'are'} not done."
                   f"{more}",),
        points=tuple(_shared(sweep, failed)), notes=basis(
            "status as in runs.csv, reason as in the run's status.json.", f"{words.count(len(runs), 'run')}.",
            "how good they would have been: they are in no mean, so a configuration that often fails is judged by its "
            "lucky runs."),
        tables=(Table("Not done", ("run", "configuration", "status", "reason"),
                      tuple(_row(sweep, run) for run in failed[:MAX_ROWS])),),
        values={"runs": [{"run": run.hash, "cells": run.cells, "status": run.status, "reason": run.reason}
                         for run in failed]})


def _row(sweep: Sweep, run: Run) -> tuple[str, ...]:
    cells = " ".join(f"{key}={readable(run.cells[key])}" for key in sweep.files.keys)
    reason = run.reason if len(run.reason) <= MAX_REASON else f"{run.reason[:MAX_REASON]}…"
    return run.hash, cells or "the only configuration", run.status, reason or "–"


def _shared(sweep: Sweep, failed: list[Run]) -> list[str]:
    """Name levels where most runs failed and that hold most of the failures."""
    told = []
    for key in (key for key in sweep.files.keys if not repeats(key)):
        for level in dict.fromkeys(run.cells[key] for run in failed):
            own = sum(run.cells[key] == level for run in failed)
            size = sum(run.cells[key] == level for run in sweep.files.runs)
            mostly = own >= 2 and own >= MOST * max(len(failed), size)
            if mostly and size < len(sweep.files.runs):
                told.append(f"{own:,} of these {len(failed):,} have {key}={readable(level)}, of whose {size:,} runs "
                            f"they "
                            f"are {100 * own / size:.0f}%.")
    return told
