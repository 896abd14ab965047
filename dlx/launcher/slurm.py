"""Jobs as tasks of Slurm job arrays, by submitit.

The sweep folder must lie on a file system that all nodes see, under the same path. submitit pickles each call when it
is submitted and its result when it ends, in a new folder in the sweep's `launcher/`: data of this user, read by the
driver that submitted. `dlx resume` submits anew and reads none of it.
"""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from dlx.core.device import usable_cores
from dlx.core.ranges import Count, Positive
from dlx.record import layout
from dlx.sweep.host import POLL_SECONDS, Host, Request
from dlx.sweep.job import Job
from dlx.sweep.launch import Ended

if TYPE_CHECKING:
    from submitit.helpers import DelayedSubmission

GIVEN_UP = -int(signal.SIGKILL)
STOPPED = 128 + int(signal.SIGTERM)
# What Slurm takes as one array where nobody configured it.
ARRAY_SIZE = 1000
# How often to look for results, on a shared file system or on this machine.
LOOK_SECONDS = {"slurm": 2.0, "local": 0.1}
CLOSE_SECONDS = 10.0
STOP_FILE = "stop"
STOP_SECONDS = 1.0


class Slurm:
    """Runs jobs through Slurm, those that are started together as one array.

    A job that reaches its time limit or is preempted leaves checkpoints, and Slurm queues it again.

    Args:
        folder: of the sweep.
        workers: jobs at a time; auto leaves that to Slurm.
        cluster: slurm, or local, which runs the same on this machine.
        partition: of Slurm; null is its default.
        account: that is charged; null is Slurm's default.
        qos: quality of service; null is Slurm's default.
        minutes: time limit of a job.
        cpus_per_task: of each job.
        gpus: of each job, in [0, inf).
        mem_gb: of each job, in GiB; null is Slurm's default.
        max_timeouts: how often a job may reach its time limit and be queued again, in [1, inf).
    """

    needs = "submitit"

    def __init__(self, folder: Path, workers: Literal["auto"] | Count, cluster: Literal["slurm", "local"],
                 partition: str | None, account: str | None, qos: str | None, minutes: Count, cpus_per_task: Count,
                 gpus: Literal[0] | Count, mem_gb: Positive | None, max_timeouts: Count) -> None:
        self._workers = workers
        self._cluster = cluster
        # Of this driver alone, so that no result of an earlier one is ever read.
        stamp = time.strftime(f"%Y%m%d-%H%M%S-{os.getpid()}", time.gmtime())
        self._folder = folder.absolute() / layout.LAUNCHER / stamp
        self._stop_file = self._folder / STOP_FILE
        self._parameters = {
            "timeout_min": minutes, "cpus_per_task": cpus_per_task, "gpus_per_node": gpus, "mem_gb": mem_gb,
            "slurm_partition": partition, "slurm_account": account, "slurm_qos": qos,
            "slurm_array_parallelism": None if workers == "auto" else workers}
        self._max_timeouts = max_timeouts
        self._new: dict[int, Job] = {}
        self._submitted: dict[int, Any] = {}
        self._next_look = 0.0

    @staticmethod
    def problems(values: Mapping[str, Any]) -> list[str]:
        """Say why it cannot work here."""
        missing = values.get("cluster") == "slurm" and shutil.which("sbatch") is None
        return ["launcher=slurm needs Slurm: there is no command sbatch here"] if missing else []

    def slots(self) -> int:
        """Return how many jobs may be submitted at a time."""
        if self._workers != "auto":
            return self._workers
        return ARRAY_SIZE if self._cluster == "slurm" else len(usable_cores())

    def start(self, number: int, job: Job) -> None:
        """Keep a job for the next array."""
        self._new[number] = job

    def ended(self, timeout: float) -> list[Ended]:
        """Submit what was started as one array; then collect the jobs that ended."""
        if self._new:
            self._submit()
        deadline = time.monotonic() + timeout
        while True:
            found = self._collect() if time.monotonic() >= self._next_look else []
            if found or time.monotonic() >= deadline:
                return found
            time.sleep(min(0.05, timeout))

    def stop(self) -> None:
        """Ask the jobs that run to end, through a file; take back those that wait."""
        if self._submitted:
            self._stop_file.touch()
        for job in self._submitted.values():
            if job.state == "PENDING":
                job.cancel(check=False)

    def kill(self, number: int) -> None:
        """Cancel a job; its host gives it a last chance to leave, and ends it."""
        self._submitted[number].cancel(check=False)

    def close(self) -> None:
        """Cancel what still runs or waits."""
        for job in self._submitted.values():
            job.cancel(check=False)
        deadline = time.monotonic() + CLOSE_SECONDS
        while self._cluster == "local" and self._submitted and time.monotonic() < deadline:
            self.ended(0.1)
        self._submitted.clear()

    def _submit(self) -> None:
        import submitit

        self._folder.mkdir(parents=True, exist_ok=True)
        executor = submitit.AutoExecutor(self._folder, self._cluster, slurm_max_num_timeout=self._max_timeouts,
                                         local_max_num_timeout=self._max_timeouts)
        executor.update_parameters(name="dlx", **{name: value for name, value in self._parameters.items()
                                                  if value is not None})
        requests = [Request.of(job)._asdict() for job in self._new.values()]
        works = [Work(str(self._stop_file)) for _ in requests]
        with executor.batch():
            jobs = [executor.submit(work, request) for work, request in zip(works, requests, strict=True)]
        self._submitted |= dict(zip(self._new, jobs, strict=True))
        self._new.clear()

    def _collect(self) -> list[Ended]:
        self._next_look = time.monotonic() + LOOK_SECONDS[self._cluster]
        done = [number for number, job in self._submitted.items() if job.done()]
        return [Ended(number, _exit_code(self._submitted.pop(number))) for number in done]


class Work:
    """What a task of an array does: run a job beside it and return the job's exit code.

    Args:
        stop_file: asks the job to stop when it is there.
    """

    def __init__(self, stop_file: str) -> None:
        self._stop_file = stop_file
        self._host: Host | None = None

    def __call__(self, request: dict[str, Any]) -> int:
        """Run the job."""
        self._host = Host()
        self._host.start(request, {})
        asked, next_look = False, 0.0
        while (exit_code := self._host.poll(POLL_SECONDS)) is None:
            if not asked and time.monotonic() >= next_look:
                next_look = time.monotonic() + STOP_SECONDS
                asked = Path(self._stop_file).exists()
                if asked:
                    self._host.stop()
        return exit_code

    def checkpoint(self, request: dict[str, Any]) -> DelayedSubmission:
        """Stop the job with checkpoints; return what to queue again. Called by submitit before a time limit."""
        from submitit.helpers import DelayedSubmission

        if self._host is not None:
            self._host.stop()
            while self._host.poll(POLL_SECONDS) is None:
                pass
        return DelayedSubmission(Work(self._stop_file), request)


def _exit_code(job: Any) -> int:
    from submitit.core.utils import FailedJobError, UncompletedJobError

    try:
        return int(job.result())
    except (FailedJobError, UncompletedJobError):
        return STOPPED if job.state.startswith("CANCELLED") else GIVEN_UP
