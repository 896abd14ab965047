"""dlx planning sweeps, and what a run costs beside its training, for timing inside one process."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

import torch

from dlx.cli.sweep import check
from dlx.config.build import ANY_PACKAGE
from dlx.record import layout
from dlx.record.table import read_rows
from dlx.run import Surroundings
from dlx.sweep.climb import WHOLE
from dlx.sweep.job import Task, run_job
from dlx.sweep.plan import plan_sweep
from dlx.sweep.run import missing_jobs

torch.set_num_threads(1)


def plan_seconds(overrides: Sequence[str], num_runs: int) -> list[float]:
    """Return the seconds from what was typed to a checked plan of so many runs."""
    start_time = perf_counter()
    plan, _ = plan_sweep(overrides, None)
    check(plan, [ANY_PACKAGE])
    seconds = perf_counter() - start_time
    assert len(plan.runs) == num_runs
    return [seconds]


def overhead_seconds(num_members: int, overrides: Sequence[str]) -> list[float]:
    """Return the seconds per member of a job in this process, less what timing.csv has of steps and evaluations.

    So: building parts, models and data, folder, log, CSV, the best weights, checkpoints, the measurement of the best
    weights on all splits with its intervals, predictions, summary; and per job what its members share.
    """
    plan, config = plan_sweep([*overrides, f"seeds={num_members}", f"members={num_members}", "workers=1"], None)
    with TemporaryDirectory(dir=".") as folder:
        (job,) = missing_jobs(Path(folder), plan, Surroundings.of(config), [ANY_PACKAGE], WHOLE)
        with same_output():
            start_time = perf_counter()
            run_job(job)
            seconds = perf_counter() - start_time
        return [(seconds - sum(map(training_seconds, job.tasks))) / num_members]


def training_seconds(task: Task) -> float:
    """Return a run's share of the seconds of steps and evaluations."""
    rows = read_rows(task.folder / layout.TIMING)
    return sum((row["train_seconds"] or 0) + (row["measure_seconds"] or 0) for row in rows)


@contextlib.contextmanager
def same_output() -> Iterator[None]:
    """Give this process its output back, which a job sends to a log."""
    kept = [os.dup(descriptor) for descriptor in (1, 2)]
    try:
        yield
    finally:
        for descriptor, own in zip((1, 2), kept, strict=True):
            os.dup2(own, descriptor)
            os.close(own)
