"""What training leaves in the run folder while it goes on: rows, status, checkpoints."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol, Self

from dlx.core.errors import ArtefactError, InterruptedRunError
from dlx.engine.history import Row
from dlx.engine.signals import StopRequest
from dlx.engine.state import Progress
from dlx.record import layout
from dlx.record.checkpoint import Checkpoint
from dlx.record.folder import RunFolder
from dlx.record.store import CheckpointStore
from dlx.record.table import EpochTable, read_rows

log = logging.getLogger("dlx")


class Observer(Protocol):
    """Whoever shows progress to a person. It is told, and returns nothing."""

    def started(self, epochs: int, done: int, facts: Mapping[str, object]) -> None:
        """Training starts, with `done` of `epochs` epochs behind it."""

    def epoch(self, row: Row) -> None:
        """An epoch was measured."""


def past_timing(path: Path, epochs: int) -> list[Row]:
    """Return the rows of the epochs that are done; a damaged timing.csv, which no result needs, has none."""
    try:
        return [dict(row) for row in read_rows(path) if 0 < (row.get("epoch") or 0) <= epochs]
    except ArtefactError as error:
        log.warning("the timing of earlier epochs is lost: %s", error)
        return []


class Recorder:
    """Writes the files that grow during training. Use as a context manager.

    Args:
        folder: the run's.
        observer: is told of every epoch.
        stop: whether a signal asked to stop.
        checkpoint_seconds: between two checkpoints.
        snapshot: makes a checkpoint of the training state.
        progress: where training starts; its rows replace those in the files.
    """

    def __init__(self, folder: RunFolder, observer: Observer, stop: StopRequest, checkpoint_seconds: float,
                 snapshot: Callable[[], Checkpoint], progress: Progress) -> None:
        self.folder = folder
        self.store = CheckpointStore(folder.checkpoints)
        self._observer = observer
        self._stop = stop
        self._interval = checkpoint_seconds
        self._due = time.monotonic() + checkpoint_seconds
        self._snapshot = snapshot
        self._metrics = EpochTable(folder.path / layout.METRICS, progress.rows)
        self._timing = EpochTable(folder.path / layout.TIMING, past_timing(folder.path / layout.TIMING, progress.epoch))

    def __enter__(self) -> Self:
        self._metrics.__enter__()
        self._timing.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._metrics.__exit__()
        self._timing.__exit__()

    def before_step(self, step: int) -> None:
        """Write a checkpoint where one is due or a signal asked to stop.

        Raises:
            InterruptedRunError: after the checkpoint that a signal asked for.
        """
        if not self._stop and time.monotonic() < self._due:
            return
        self.store.save_step(step, self._snapshot())
        self._due = time.monotonic() + self._interval
        if self._stop.signal_number is not None:
            raise InterruptedRunError(
                self._stop.signal_number,
                f"interrupted at step {step}; nothing is lost: dlx resume {self.folder.path}")

    def after_epoch(self, row: Row, train_seconds: float, measure_seconds: float) -> None:
        """Append the row of an epoch, and its wall-clock seconds to timing.csv."""
        self._metrics.append(row)
        self._timing.append({"epoch": row["epoch"], "train_seconds": train_seconds,
                             "measure_seconds": measure_seconds})
        self._observer.epoch(row)
