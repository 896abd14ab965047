"""How far a job is: one small file per job, which its worker overwrites and the driver reads, wherever either runs.

The files live in `<sweep>/progress/`, named like the first run of the job, which no other job in flight has. They are
for the eye: written without fsync, at most twice a second, and removed when the job and the sweep end.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from dlx.core.errors import ArtefactError
from dlx.record import layout
from dlx.record.safe_yaml import read_json

WRITE_SECONDS = 0.5


class Progress(NamedTuple):
    """How far a job is: `over` of its `runs` runs are, and those in training are at `epoch` of `epochs`."""

    runs: int
    over: int
    epoch: int
    epochs: int

    @property
    def share(self) -> float:
        """Return how much of the runs is trained, counted in runs."""
        return self.over + ((self.runs - self.over) * self.epoch / self.epochs if self.epochs else 0.0)


class Meter:
    """An observer of a job's runs that writes how far they are.

    Args:
        first: the folder of the job's first run.
        runs: how many runs the job has.
    """

    def __init__(self, first: Path, runs: int) -> None:
        self._path = path_of(first)
        self._progress = Progress(runs, 0, 0, 0)
        self._next = 0.0
        self._write()

    def started(self, epochs: int, done: int, facts: Mapping[str, object]) -> None:
        """Runs start or go on."""
        self._progress = self._progress._replace(epoch=done, epochs=epochs)

    def epoch(self, row: Mapping[str, Any]) -> None:
        """An epoch was measured."""
        self._progress = self._progress._replace(epoch=int(row["epoch"]))
        self._write()

    def over(self) -> None:
        """A run is over."""
        self._progress = self._progress._replace(over=self._progress.over + 1)
        self._write()

    def _write(self) -> None:
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + WRITE_SECONDS
        temporary = self._path.with_name(f".{self._path.name}.{os.getpid()}.tmp")
        # What is only looked at stops no training; a full disk is noticed where results are written.
        with contextlib.suppress(OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            temporary.write_text(json.dumps(self._progress._asdict()))
            os.replace(temporary, self._path)


def path_of(first: Path) -> Path:
    """Return the file that says how far the job is whose first run has this folder."""
    return first.parent.parent / layout.PROGRESS / f"{first.name}.json"


def read_progress(path: Path) -> Progress | None:
    """Return how far a job is; None where it has not started or its file is no such thing."""
    try:
        found = read_json(path)
        numbers = [found[name] for name in Progress._fields]
    except (ArtefactError, KeyError):
        return None
    return Progress(*numbers) if all(type(number) is int and number >= 0 for number in numbers) else None


def clear(sweep: Path) -> None:
    """Remove what workers said, also of an earlier driver."""
    shutil.rmtree(sweep / layout.PROGRESS, ignore_errors=True)
