"""Running a plan: what is missing of it, in workers; then the tables."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from dlx.core.errors import InterruptedRunError
from dlx.engine.signals import stop_on_signals
from dlx.record import layout
from dlx.record.folder import FINAL, RunFolder
from dlx.run import Surroundings
from dlx.sweep import tables
from dlx.sweep.job import Job
from dlx.sweep.plan import Plan, PlannedRun
from dlx.sweep.pool import Ended, run_jobs
from dlx.sweep.tables import Result

TAIL_LINES = 12


class Outcome(NamedTuple):
    """What a sweep came to."""

    results: list[Result]
    standings: list[tables.Standing]
    exits: dict[str, int]


def run_plan(folder: Path, plan: Plan, surroundings: Surroundings, workers: int, trust: Sequence[str],
             ended: Callable[[Ended], None]) -> Outcome:
    """Run what is missing of a plan and write runs.csv and leaderboard.csv.

    Raises:
        InterruptedRunError: after the runs in progress wrote checkpoints.
    """
    jobs = [Job(folder / layout.RUNS / run.hash, run.overrides, run.saved, surroundings.data_dir,
                surroundings.checkpoint_seconds, trust) for run in missing(folder, plan)]
    exits: dict[str, int] = {}

    def note(end: Ended) -> None:
        exits[end.job.folder.name] = end.exit_code
        ended(end)

    with stop_on_signals() as stop:
        try:
            run_jobs(jobs, workers, note, stop)
        except InterruptedRunError as error:
            raise InterruptedRunError(error.signal_number, f"{error}: dlx resume {folder}") from error
    return write_tables(folder, plan)._replace(exits=exits)


def missing(folder: Path, plan: Plan) -> list[PlannedRun]:
    """Return the runs of a plan that are not over: never started, interrupted or failed. A diverged run is over."""
    results = tables.collect(folder, plan)
    return [result.run for result in results if result.status not in FINAL]


def write_tables(folder: Path, plan: Plan) -> Outcome:
    """Write both tables from the run folders."""
    results = tables.collect(folder, plan)
    standings = tables.standings(plan, results)
    tables.write_runs(folder, plan, results)
    tables.write_leaderboard(folder, standings)
    return Outcome(results, standings, {})


def worker_count(workers: int | str) -> int:
    """Return the number of workers; "auto" is the number of cores."""
    return (os.cpu_count() or 1) if workers == "auto" else int(workers)


def log_tail(folder: Path, run_hash: str) -> list[str]:
    """Return the last lines of a run's log."""
    path = RunFolder(folder / layout.RUNS / run_hash).path / layout.LOG
    return path.read_text(errors="replace").splitlines()[-TAIL_LINES:] if path.is_file() else []


def how_it_left(result: Result, exit_code: int | None) -> str:
    """Say how a run that is not done ended: its own words, or how its process left."""
    if result.status not in ("interrupted", "created", "running", "missing") or exit_code in (None, 0):
        return f"{result.status}: {result.reason}"
    assert exit_code is not None, "handled above"
    left = f"killed by signal {-exit_code}" if exit_code < 0 else f"exit code {exit_code}"
    return f"failed: its process left with {left}" if exit_code > 0 else f"failed: its process was {left}"
