"""dlx doing the work of the peers, for timing inside one process."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import pairwise
from pathlib import Path
from time import perf_counter
from typing import Any

import torch
from large_table import table

from dlx.cli.progress import observe
from dlx.config.build import ANY_PACKAGE, build
from dlx.config.compose import compose
from dlx.config.saved import config_hash, to_saved
from dlx.engine.fit import Fit, train_epoch
from dlx.engine.parts import Parts
from dlx.engine.run import Run, train
from dlx.engine.signals import StopRequest
from dlx.engine.start import start
from dlx.engine.state import Position
from dlx.record.folder import RunFolder
from dlx.run import Surroundings, describe

torch.set_num_threads(1)

DIGITS = ("device=cpu", "device.threads=1")
# A sixth of MNIST's 60,000 rows is val, as in the peer.
MNIST = ("dataset=mnist", "device=cpu", "device.threads=1", f"split.val_fraction={1 / 6}")


class Clock:
    """Passes on to an observer, and notes when training starts and when each epoch is recorded."""

    def __init__(self, observer: Any) -> None:
        self._observer = observer
        self.times: list[float] = []

    def started(self, epochs: int, done: int, facts: Mapping[str, object]) -> None:
        self._observer.started(epochs, done, facts)
        self.times.append(perf_counter())

    def epoch(self, row: Any) -> None:
        self._observer.epoch(row)
        self.times.append(perf_counter())


class NoWitness:
    """Writes nothing."""

    def before_step(self, fit: Fit, step: int) -> None:
        """No checkpoint is due."""


def step_seconds(num_epochs: int) -> list[float]:
    """Return the mean seconds of a training step of digits in each epoch, nothing measured."""
    state = begin(DIGITS, num_epochs)
    return [seconds / state.steps_per_epoch for seconds in training_seconds(state)]


def mnist_epoch_seconds(num_epochs: int) -> list[float]:
    """Return the seconds of each epoch of training on 50,000 rows of MNIST, nothing measured."""
    return training_seconds(begin(MNIST, num_epochs))


def table_start_seconds() -> list[float]:
    """Return the seconds from overrides to where a run on the large table takes its first step; one thread."""
    import pandas as pd

    pd.set_option("mode.max_threads", 1)
    overrides = ("dataset=csv", f"dataset.path={table()}", "dataset.target=y", "preprocessing=[standardize]")
    start_time = perf_counter()
    begin((*overrides, "device=cpu", "device.threads=1"), 1)
    return [perf_counter() - start_time]


def epoch_seconds(num_epochs: int) -> list[float]:
    """Return the seconds of each epoch of digits: training, train_eval and val measured, CSV, checkpoints, progress.

    An epoch ends when its row is written and shown. What a run does once, at its end, is in the whole-process row.
    """
    parts, saved, surroundings = prepared(DIGITS, num_epochs)
    folder = RunFolder.create(Path("runs"), saved["name"], config_hash(saved))
    with folder, observe(saved, folder.path, quiet=False) as observer:
        describe(folder, saved, [])
        clock = Clock(observer)
        train([Run(parts, saved, folder)], surroundings.data_dir, clock, StopRequest(), lambda run: None)
    return [end - begin for begin, end in pairwise(clock.times)]


def prepared(overrides: tuple[str, ...], num_epochs: int) -> tuple[Parts, dict[str, Any], Surroundings]:
    """Compose and build."""
    config = compose("train", [*overrides, f"epochs={num_epochs}"])
    saved = to_saved(config)
    return build(saved, [ANY_PACKAGE], config["checkpoint_seconds"]), saved, Surroundings.of(config)


def begin(overrides: tuple[str, ...], num_epochs: int) -> Fit:
    """Load data and make the model."""
    parts, saved, surroundings = prepared(overrides, num_epochs)
    return start([(parts, saved)], surroundings.data_dir, [None], fused=False)


def training_seconds(state: Fit, wait: Callable[[], None] = lambda: None) -> list[float]:
    """Take the steps of every epoch, of all members, and nothing else; wait: until the device is done."""
    seconds = []
    for _ in range(state.epochs):
        start_time = perf_counter()
        train_epoch(state, NoWitness())
        wait()
        seconds.append(perf_counter() - start_time)
        state.position = Position()
        for member in state.group.members:
            member.progress.rows.append({})  # what counts the epochs
    return seconds
