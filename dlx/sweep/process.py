"""A worker: one process per job, so that nothing of a job outlives it and nothing it does reaches another."""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Mapping
from multiprocessing import forkserver
from multiprocessing.process import BaseProcess
from typing import NamedTuple

from dlx.sweep.job import PRELOAD, Job, run_job, stop_and_leave


class Seat(NamedTuple):
    """Where a worker sits: its cores (none: wherever the system puts it) and what its environment adds."""

    cores: tuple[int, ...] = ()
    environment: Mapping[str, str] = {}


def warm_up() -> None:
    """Let the server that workers are forked from import everything already, beside what this process does."""
    multiprocessing.get_context("forkserver").set_forkserver_preload(PRELOAD)
    forkserver.ensure_running()


def start_worker(job: Job, seat: Seat) -> BaseProcess:
    """Start a worker in milliseconds: forked from a server that imported everything once and started no thread."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOAD)
    process: BaseProcess = context.Process(target=work, args=(job, seat))
    process.start()
    return process


def work(job: Job, seat: Seat) -> None:
    """Run a job in this process and leave it with the job's exit code."""
    # Ctrl-C at the terminal reaches the driver alone, which then asks its workers to stop.
    os.setsid()
    threading.Thread(target=_stop_with_parent, daemon=True).start()
    os.environ.update(seat.environment)
    if seat.cores:
        os.sched_setaffinity(0, seat.cores)
    run_job(job)


def _stop_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        stop_and_leave()
