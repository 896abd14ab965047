"""A job: runs that one worker trains. The engine is imported inside, so that a driver stays light."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from dlx.core.errors import ArtefactError, DlxError, InterruptedRunError
from dlx.record import layout
from dlx.record.folder import FINAL, RunFolder
from dlx.sweep.progress import Meter

if TYPE_CHECKING:
    from dlx.engine.parts import Parts
    from dlx.engine.signals import StopRequest

# What a fresh worker finds imported already.
PRELOAD = ["torch", "dlx.engine.run", "sklearn.datasets", "sklearn.model_selection"]
# How long a worker that lost its driver may take for its checkpoints, and how long another waits for it to leave.
GRACE_SECONDS = 20.0
LOCK_SECONDS = 60.0
LOCK_POLL_SECONDS = 0.1


class Task(NamedTuple):
    """One run: its folder, what was typed for it, its configuration as saved."""

    folder: Path
    overrides: tuple[str, ...]
    saved: dict[str, Any]


class Job(NamedTuple):
    """Runs that one worker trains.

    Args:
        checkpoint_seconds: between checkpoints.
        trust: packages of the user whose code may be named.
        fused: they train together, as members of a fused run.
        memory_share: of the machine's memory that is this job's, in (0, 1].
        pause_epoch: train to this epoch, then leave a checkpoint.
        stop_reason: train no further, and finish the runs for this reason.
        checks_data: check the data of the first run, for the sweep's report.
    """

    tasks: tuple[Task, ...]
    data_dir: str
    checkpoint_seconds: float
    trust: tuple[str, ...]
    fused: bool = False
    memory_share: float = 1.0
    pause_epoch: int | None = None
    stop_reason: str | None = None
    checks_data: bool = False

    def plain(self) -> dict[str, Any]:
        """Return the job as JSON can hold it."""
        tasks = [task._replace(folder=str(task.folder))._asdict() for task in self.tasks]  # type: ignore[arg-type]
        return {**self._asdict(), "tasks": tasks}

    @classmethod
    def of_plain(cls, plain: Mapping[str, Any]) -> Job:
        """Return the job that `plain` gave."""
        tasks = (Task(Path(task["folder"]), tuple(task["overrides"]), task["saved"]) for task in plain["tasks"])
        return cls(**{**plain, "tasks": tuple(tasks), "trust": tuple(plain["trust"])})


def pause_reason(epoch: int) -> str:
    """Return what the status of a run says that paused after an epoch."""
    return f"paused at epoch {epoch}"


def is_over(task: Task, pause_epoch: int | None = None) -> bool:
    """Say whether a run of a job is over, or paused where it was to pause."""
    if not (task.folder / layout.STATUS).is_file():
        return False
    try:
        status = RunFolder(task.folder).status()
    except ArtefactError:
        return False
    paused = pause_epoch is not None and status.get("reason") == pause_reason(pause_epoch)
    return status["status"] in FINAL or (paused and status["status"] == "interrupted")


def run_job(job: Job) -> None:
    """Train or go on with every run of a job that is not over; the process's output goes to the log of its first run.

    Returns where each run is over or paused, a diverged one too; else the process is left with the error's exit code.
    """
    from dlx.engine.signals import stop_on_signals

    meter = Meter(job.tasks[0].folder, len(job.tasks))
    try:
        with stop_on_signals() as stop:
            for tasks in [job.tasks] if job.fused else [(task,) for task in job.tasks]:
                _refuse_to_go_on(stop)
                _write_output_to(tasks[0].folder)
                _train(job, tasks, meter)
    except DlxError as error:
        print(f"dlx: {error}", file=sys.stderr, flush=True)
        sys.exit(error.exit_code)


def _refuse_to_go_on(stop: StopRequest) -> None:
    if stop.signal_number is not None:
        raise InterruptedRunError(stop.signal_number, "interrupted between runs; nothing is lost")


def _write_output_to(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    sys.stdout.flush()
    sys.stderr.flush()
    log = os.open(folder / layout.LOG, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.close(log)


def _train(job: Job, tasks: Sequence[Task], meter: Meter) -> None:
    from dlx.engine.run import Limits
    from dlx.run import Surroundings, execute_together

    with contextlib.ExitStack() as held:
        runs = [run for task in tasks if (run := _open(job, task, held)) is not None]
        for _ in range(len(tasks) - len(runs)):
            meter.over()
        if runs:
            checks = job.checks_data and tasks[0] == job.tasks[0]
            surroundings = Surroundings(job.data_dir, job.checkpoint_seconds, checks)
            execute_together(runs, surroundings, meter, meter.over, job.fused,
                             Limits(job.pause_epoch, job.stop_reason, job.memory_share))


def _open(job: Job, task: Task, held: contextlib.ExitStack) -> tuple[Parts, dict[str, Any], RunFolder] | None:
    """Make or lock the folder of a run; None where it is over."""
    from dlx.run import build_saved, describe

    saved = dict(task.saved)
    parts = build_saved(saved, job.trust, job.checkpoint_seconds)
    _wait_for_lock(RunFolder(task.folder))
    folder = held.enter_context(RunFolder.at(task.folder))
    # Another worker may have finished it while this one waited.
    if is_over(task, job.pause_epoch):
        return None
    if not (folder.path / layout.CONFIG).is_file():
        describe(folder, saved, task.overrides)
    return parts, saved, folder


def _wait_for_lock(folder: RunFolder) -> None:
    # The worker that had this run may still write its checkpoint: its driver, launcher or node died a moment ago.
    deadline = time.monotonic() + LOCK_SECONDS
    with contextlib.suppress(FileNotFoundError):
        while folder.is_locked() and time.monotonic() < deadline:
            time.sleep(LOCK_POLL_SECONDS)


def stop_and_leave() -> None:
    """Ask this process to write its checkpoints and end; end it where it cannot."""
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(GRACE_SECONDS)
    os._exit(128 + signal.SIGTERM)


def num_threads(tasks: Sequence[Task]) -> int:
    """Return how many CPU threads a job of these runs computes with; 0 where a run decides that itself."""
    threads = [task.saved["device"]["threads"] for task in tasks]
    return 0 if any(not isinstance(count, int) for count in threads) else max(threads)
