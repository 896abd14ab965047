"""What training leaves in the run folder while it goes on: rows, status, checkpoints."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol, Self

from dlx.core.errors import ArtefactError
from dlx.engine.history import Row
from dlx.engine.layers import layer_rows
from dlx.engine.signals import StopRequest
from dlx.engine.state import Progress
from dlx.record import layout
from dlx.record.folder import RunFolder
from dlx.record.store import CheckpointStore
from dlx.record.table import EpochTable, read_rows


class Observer(Protocol):
    """Whoever shows progress to a person. It is told, and returns nothing."""

    def started(self, epochs: int, done: int, facts: Mapping[str, object]) -> None:
        """Training starts, with `done` of `epochs` epochs behind it."""

    def epoch(self, row: Row) -> None:
        """An epoch was measured."""


def past_timing(path: Path, epochs: int, log: logging.Logger) -> list[Row]:
    """Return the rows of the epochs that are done; a damaged timing.csv, which no result needs, has none."""
    try:
        return [dict(row) for row in read_rows(path) if 0 < (row.get("epoch") or 0) <= epochs]
    except ArtefactError as error:
        log.warning("the timing of earlier epochs is lost: %s", error)
        return []


class Recorder:
    """Writes the files of one run that grow during training. Use as a context manager.

    Args:
        folder: the run's.
        observer: is told of every epoch.
        progress: of the run. As training starts, its rows replace those in the files.
        log: of the run.
        layers: names of the weights that layers.csv tells of; without any there is no such file.
    """

    def __init__(self, folder: RunFolder, observer: Observer, progress: Progress, log: logging.Logger,
                 layers: Sequence[str] = ()) -> None:
        self.folder = folder
        self.store = CheckpointStore(folder.checkpoints)
        self._observer = observer
        self._metrics = EpochTable(folder.path / layout.METRICS, progress.rows)
        timing = folder.path / layout.TIMING
        self._timing = EpochTable(timing, past_timing(timing, progress.epoch, log))
        self._progress, self._names = progress, layers
        self._layers = [EpochTable(folder.path / layout.LAYERS, self._layer_rows(0))] if layers else []

    def __enter__(self) -> Self:
        for table in (self._metrics, self._timing, *self._layers):
            table.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        for table in (self._metrics, self._timing, *self._layers):
            table.__exit__()

    def close(self) -> None:
        """Make what training measured durable and close the files before the block ends, because training has."""
        for table in (self._metrics, *self._layers):
            table.sync()
        self.__exit__()

    def after_epoch(self, row: Row, train_seconds: float, measure_seconds: float) -> None:
        """Append the row of an epoch, its wall-clock seconds to timing.csv and its weights to layers.csv."""
        self._metrics.append(row)
        for table in self._layers:
            table.append(*self._layer_rows(-1))
        self._timing.append({"epoch": row["epoch"], "train_seconds": train_seconds,
                             "measure_seconds": measure_seconds})
        self._observer.epoch(row)

    def _layer_rows(self, start: int) -> list[Mapping[str, float | int | str | None]]:
        epochs = zip(self._progress.rows[start:], self._progress.layers[start:], strict=True)
        return [own._asdict() for row, values in epochs
                for own in layer_rows(self._names, int(row["epoch"] or 0), int(row["step"] or 0), values)]


class Clock:
    """Says when checkpoints are due.

    Args:
        stop: whether a signal asked to stop.
        seconds: between two checkpoints.
    """

    def __init__(self, stop: StopRequest, seconds: float) -> None:
        self.stop = stop
        self._interval = seconds
        self._due = time.monotonic() + seconds

    @property
    def signal_number(self) -> int | None:
        """The signal that training is to stop for, as of the last `is_due`."""
        return self.stop.signal_number

    def is_due(self) -> bool:
        """Say whether checkpoints are due; if so, the next ones are an interval later."""
        if not self.stop and time.monotonic() < self._due:
            return False
        self._due = time.monotonic() + self._interval
        return True
