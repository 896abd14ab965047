"""One run of a sweep, in a process of its own. Imports of the engine are inside: the pool's driver stays light."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from dlx.core.errors import DlxError
from dlx.record import layout

# What a fresh worker finds imported already.
PRELOAD = ["torch", "dlx.engine.run", "dlx.engine.reevaluate", "dlx.report.render", "sklearn.datasets",
           "sklearn.model_selection", "sklearn.metrics", "matplotlib.figure", "matplotlib.backends.backend_agg"]


class Job(NamedTuple):
    """What a worker needs to train one run in its folder."""

    folder: Path
    overrides: Sequence[str]
    saved: Mapping[str, Any]
    data_dir: str
    checkpoint_seconds: float
    trust: Sequence[str]


class Silent:
    """An observer that shows nothing."""

    def started(self, epochs: int, done: int, facts: Mapping[str, object]) -> None:
        """Say nothing."""

    def epoch(self, row: Mapping[str, object]) -> None:
        """Say nothing."""


def run_job(job: Job) -> None:
    """Train or go on with a run and leave the process with its exit code; output goes to dlx.log."""
    # Ctrl-C at the terminal reaches the driver alone, which then asks its workers to stop.
    os.setsid()
    threading.Thread(target=_stop_with_parent, daemon=True).start()
    job.folder.mkdir(parents=True, exist_ok=True)
    log = os.open(job.folder / layout.LOG, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(log, 1)
    os.dup2(log, 2)
    try:
        _train(job)
    except DlxError as error:
        print(f"dlx: {error}", file=sys.stderr, flush=True)
        sys.exit(error.exit_code)


def _train(job: Job) -> None:
    from dlx.record.folder import RunFolder
    from dlx.run import Surroundings, build_saved, describe, execute

    saved = dict(job.saved)
    parts = build_saved(saved, job.trust, job.checkpoint_seconds)
    with RunFolder.at(job.folder) as folder:
        if not (folder.path / layout.CONFIG).is_file():
            describe(folder, saved, job.overrides)
        execute(parts, saved, folder, Surroundings(job.data_dir, job.checkpoint_seconds), Silent())


def _stop_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)
