"""Running a plan: what is missing of it, group by group; then the tables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from dlx.core.errors import InterruptedRunError
from dlx.engine.signals import stop_on_signals
from dlx.record import layout
from dlx.record.folder import FINAL, RunFolder
from dlx.run import Surroundings
from dlx.sweep import progress, tables
from dlx.sweep.climb import WHOLE, Stage
from dlx.sweep.cross_validation import is_cross_validation, write_cross_validation
from dlx.sweep.drive import Driver, Failure, Policy, Watch
from dlx.sweep.job import Job, Task
from dlx.sweep.launch import Launcher
from dlx.sweep.plan import Plan, PlannedRun
from dlx.sweep.tables import Result

TAIL_LINES = 12


class Outcome(NamedTuple):
    """What a sweep came to."""

    results: list[Result]
    standings: list[tables.Standing]
    failures: dict[str, Failure]


def run_plan(folder: Path, plan: Plan, surroundings: Surroundings, policy: Policy, launcher: Launcher,
             trust: Sequence[str], watch: Watch, stage: Stage = WHOLE) -> Outcome:
    """Run what is missing of a plan, as far as a stage goes, and write runs.csv and leaderboard.csv.

    Raises:
        InterruptedRunError: after the runs in progress wrote checkpoints.
    """
    jobs = list(missing_jobs(folder, plan, surroundings, trust, stage))
    failures: dict[str, Failure] = {}
    if jobs:
        progress.clear(folder)
        with stop_on_signals() as stop:
            driver = Driver(jobs, launcher, policy, stop, watch)
            driver.drive()
            failures = driver.failures
        progress.clear(folder)
        if stop.signal_number is not None:
            raise InterruptedRunError(stop.signal_number,
                                      f"the sweep was interrupted; nothing is lost: dlx resume {folder}")
    return write_tables(folder, plan)._replace(failures=failures)


def missing_jobs(folder: Path, plan: Plan, surroundings: Surroundings, trust: Sequence[str], stage: Stage
                 ) -> Iterator[Job]:
    """Yield a job for each group of the plan, of those of its runs that are not over and in the stage."""
    todo = {run.hash for run in missing(folder, plan) if stage.hashes is None or run.hash in stage.hashes}
    for group in plan.groups:
        tasks = tuple(Task(folder / layout.RUNS / run.hash, run.overrides, run.saved)
                      for run in (plan.runs[number] for number in group) if run.hash in todo)
        if tasks:
            fused = group[0] not in plan.plain
            yield Job(tasks, surroundings.data_dir, surroundings.checkpoint_seconds, tuple(trust), fused,
                      1 / plan.workers, stage.pause_epoch, stage.stop_reason, 0 in group)


def missing(folder: Path, plan: Plan) -> list[PlannedRun]:
    """Return the runs of a plan that are not over: never started, interrupted or failed. A diverged run is over."""
    results = tables.collect(folder, plan)
    return [result.run for result in results if result.status not in FINAL]


def write_tables(folder: Path, plan: Plan) -> Outcome:
    """Write both tables, and the averages of a cross-validation, from the run folders."""
    results = tables.collect(folder, plan)
    standings = tables.standings(plan, results)
    tables.write_runs(folder, plan, results)
    tables.write_leaderboard(folder, standings)
    if is_cross_validation(plan):
        write_cross_validation(folder, plan, results)
    return Outcome(results, standings, {})


def log_tail(folder: Path, run_hash: str) -> list[str]:
    """Return the last lines of a run's log."""
    path = RunFolder(folder / layout.RUNS / run_hash).path / layout.LOG
    return path.read_text(errors="replace").splitlines()[-TAIL_LINES:] if path.is_file() else []


def how_it_left(result: Result, failure: Failure | None) -> str:
    """Say how a run that is not done ended: its own words, or how its worker left."""
    if failure is not None and failure.reason is not None:
        return f"failed: {failure.reason}"
    if failure is None or result.status not in ("interrupted", "created", "running", "missing"):
        return f"{result.status}: {result.reason}"
    code = failure.exit_code
    return f"failed: its process was killed by signal {-code}" if code < 0 else (
        f"failed: its process left with exit code {code}")
