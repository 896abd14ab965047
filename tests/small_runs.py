"""Small data sets in memory, and whole runs of the engine on them, without command line and report."""

from __future__ import annotations

import copy
import signal
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from dlx.core.device import Placement
from dlx.core.errors import DivergedError
from dlx.core.losses import Loss
from dlx.core.subject import Examples
from dlx.core.types import Arrays, Batch, Split, TaskSpec
from dlx.dataset.digits import Digits
from dlx.engine import evaluate, run
from dlx.engine.data import Prepared
from dlx.engine.evaluate import Evaluator
from dlx.engine.feed import feed
from dlx.engine.fit import Fit
from dlx.engine.flat import Flat
from dlx.engine.parts import Parts
from dlx.engine.run import Run
from dlx.engine.signals import StopRequest
from dlx.engine.start import start
from dlx.record import layout
from dlx.record.checkpoint import Checkpoint, load
from dlx.record.folder import RunFolder
from dlx.record.safe_yaml import read_json

CONFIG = {"dataset": {"part": "in_memory"}, "model": {"part": "any"}}


@dataclass(frozen=True)
class InMemory:
    """A dataset that is already there."""

    task: TaskSpec | None
    arrays: Arrays

    def spec(self) -> TaskSpec | None:
        return self.task

    def load(self, data_dir: str) -> Arrays:
        return self.arrays

    def with_arrays(self, **changes: Any) -> InMemory:
        return replace(self, arrays=self.arrays._replace(**changes))


def thinned(task: TaskSpec | None, arrays: Arrays, num_rows: int, own_test: bool = False) -> InMemory:
    """Keep every so many-th row with its notes; with own_test the last fifth is the dataset's own test set."""
    rows = np.linspace(0, len(arrays.targets) - 1, num_rows).astype(np.int64)
    test_ids = np.arange(num_rows * 4 // 5, num_rows) if own_test else None
    notes = {name: note[rows] for name, note in arrays.notes.items()}
    return InMemory(task, Arrays(arrays.inputs[rows], arrays.targets[rows], test_ids, notes, arrays.spec))


def digits(num_rows: int = 200, own_test: bool = False) -> InMemory:
    """Some of the digits, images [1, 8, 8] of ten classes."""
    return thinned(Digits().spec(), Digits().load(""), num_rows, own_test)


def table(kind: str, num_rows: int = 160, num_features: int = 6, own_test: bool = False) -> InMemory:
    """Columns of different scale with a linear signal and noise; two classes, or values around 50."""
    draw = np.random.default_rng(7)
    inputs = draw.normal(size=(num_rows, num_features)) * 10.0 ** np.arange(num_features) + 3.0
    signal_ = ((inputs - 3.0) / 10.0 ** np.arange(num_features)).sum(axis=1) + draw.normal(size=num_rows)
    targets = (signal_ > 0).astype(np.int64) if kind == "classification" else (50 + 9 * signal_).astype(np.float32)
    names, outputs = (("no", "yes"), 2) if kind == "classification" else ((), 1)
    test_ids = np.arange(num_rows * 4 // 5, num_rows) if own_test else None
    return InMemory(TaskSpec(kind, "table", (num_features,), outputs, names),
                    Arrays(inputs.astype(np.float32), targets, test_ids))


@dataclass
class Watching:
    """An observer that keeps the rows it is told."""

    rows: list[Any] = field(default_factory=list)

    def started(self, epochs: int, done: int, facts: Mapping[str, object]) -> None:
        self.rows.clear()

    def epoch(self, row: Any) -> None:
        self.rows.append(row)


class Session(NamedTuple):
    """What a run alone builds before it trains, under short names."""

    state: Fit

    @property
    def parts(self) -> Parts:
        return self.state.group.members[0].parts

    @property
    def data(self) -> Prepared:
        return self.state.group.members[0].data

    @property
    def placement(self) -> Placement:
        return self.state.group.placement

    @property
    def model(self) -> nn.Module:
        return self.state.group.model

    @property
    def flat(self) -> Flat:
        return self.state.group.flat

    @property
    def evaluator(self) -> Evaluator:
        return self.state.group.evaluator

    def step(self, batch: Batch, number: int, lr: float) -> tuple[Tensor, Tensor]:
        """Take a step; return loss and gradient norm as scalars."""
        losses, norms = self.state.group.step(batch, number, [lr])
        return losses.squeeze(), norms.squeeze()

    def measure(self, split: Split) -> dict[str, float]:
        """Return loss and streamed metrics of a split."""
        (values,) = evaluate.measure(self.evaluator, feed([split]))
        return values

    def predict(self, split: Split) -> Examples:
        """Return what the model says about each example of a split."""
        return evaluate.predict(self.evaluator, feed([split]), self.data.targets)


def session(parts: Parts, dataset: InMemory | None = None) -> Session:
    """Build everything that a run builds before it trains: data, model, step, evaluator."""
    parts = parts if dataset is None else replace(parts, dataset=dataset)
    return Session(start([(parts, CONFIG)], "", [None], fused=False))


def first_batch(built: Session, size: int = 16) -> Batch:
    """Return the first train examples as a batch."""
    return Batch(*(tensor[:size] for tensor in built.data.splits["train"]))


def train(parts: Parts, path: Path, dataset: InMemory | None = None, stop: StopRequest | None = None) -> Path:
    """Train in a run folder, or go on in it; return the folder. Raises DivergedError where the run says that it did."""
    parts = parts if dataset is None else replace(parts, dataset=dataset)
    folder = RunFolder.at(path)
    if not (path / layout.CONFIG).exists():
        folder.describe(CONFIG, [], {})
    with folder:
        signals = StopRequest() if stop is None else stop
        run.train([Run(parts, CONFIG, folder)], "", Watching(), signals, lambda *_: None)
    status = read_json(path / layout.STATUS)
    if status["status"] == "diverged":
        raise DivergedError(status["step"], status["lr"])
    return path


class AroundLoss:
    """A loss around another, whose values members vary as they would vary the other's."""

    def __init__(self, loss: Loss) -> None:
        self.__dict__["loss"] = loss

    def __getattr__(self, name: str) -> Any:
        if name not in ("kinds", "MEMBER_VALUES", *getattr(type(self.__dict__.get("loss")), "MEMBER_VALUES", ())):
            raise AttributeError(name)
        return getattr(self.__dict__["loss"], name)

    def __setattr__(self, name: str, value: Any) -> None:
        if name in getattr(self.loss, "MEMBER_VALUES", ()):
            self.__dict__["loss"] = copy.copy(self.loss)
            setattr(self.loss, name, value)
        else:
            self.__dict__[name] = value


class SignalDuringStep(AroundLoss):
    """A loss during whose n-th training step a signal arrives."""

    def __init__(self, loss: Loss, stop: StopRequest, last_step: int) -> None:
        super().__init__(loss)
        self.stop, self.last_step = stop, last_step
        self.taken: list[int] = []

    def __call__(self, outputs: Tensor, targets: Tensor) -> Tensor:
        if torch.is_grad_enabled():
            self.taken.append(1)
            if len(self.taken) == self.last_step:
                self.stop.receive(signal.SIGINT, None)
        return self.loss(outputs, targets)


def interrupted_after(parts: Parts, num_steps: int) -> tuple[Parts, StopRequest]:
    """Return parts, and the request, of a run to which Ctrl-C comes during a step."""
    stop = StopRequest()
    return replace(parts, loss=SignalDuringStep(parts.loss, stop, num_steps)), stop


def metrics(path: Path) -> pd.DataFrame:
    """Read metrics.csv."""
    return pd.read_csv(path / layout.METRICS)


def best(path: Path) -> Checkpoint:
    """Read the best checkpoint."""
    return load(path / layout.CHECKPOINTS / layout.BEST)


def equal_tensors(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> bool:
    """Compare tensors bit for bit."""
    return one.keys() == other.keys() and all(
        one[name].dtype == other[name].dtype and one[name].numpy().tobytes() == other[name].numpy().tobytes()
        for name in one)

