"""Worker processes: one per run, so that nothing of a run outlives it and nothing it does reaches another."""

from __future__ import annotations

import multiprocessing
import multiprocessing.connection
from collections.abc import Callable, Sequence
from multiprocessing.process import BaseProcess
from typing import NamedTuple

from dlx.core.errors import InterruptedRunError
from dlx.engine.signals import StopRequest
from dlx.sweep.job import PRELOAD, Job, run_job

POLL_SECONDS = 0.2


class Ended(NamedTuple):
    """How a worker left: its exit code, negative for the signal that killed it."""

    job: Job
    exit_code: int


def run_jobs(jobs: Sequence[Job], workers: int, ended: Callable[[Ended], None], stop: StopRequest) -> None:
    """Run all jobs, at most `workers` at a time, in their order.

    Args:
        ended: is told of each job as it ends.
        stop: whether a signal asked to stop; the runs in progress then write a checkpoint and end.

    Raises:
        InterruptedRunError: after all workers ended.
    """
    # Forked from a server that imported everything once and started no thread: a worker starts in milliseconds.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOAD)
    waiting, running, asked = list(jobs), dict[BaseProcess, Job](), False
    while running or (waiting and not stop):
        while waiting and len(running) < workers and not stop:
            job = waiting.pop(0)
            process: BaseProcess = context.Process(target=run_job, args=(job,))
            process.start()
            running[process] = job
        multiprocessing.connection.wait([process.sentinel for process in running], POLL_SECONDS)
        if stop and not asked:
            asked = True
            for process in running:
                process.terminate()
        for process in [process for process in running if process.exitcode is not None]:
            ended(Ended(running.pop(process), process.exitcode or 0))
            process.close()
    if stop.signal_number is not None:
        raise InterruptedRunError(stop.signal_number, "the sweep was interrupted; nothing is lost")
