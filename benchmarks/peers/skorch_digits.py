"""Digits with skorch."""

from __future__ import annotations

import tempfile
from itertools import pairwise
from time import perf_counter
from typing import Any

import digits
import torch
import torch.nn.functional as F  # noqa: N812
from skorch import NeuralNetClassifier
from skorch.callbacks import Callback, Checkpoint
from skorch.dataset import Dataset
from skorch.helper import predefined_split
from torch import nn

torch.set_num_threads(1)

DEFAULT_CALLBACKS = ("epoch_timer", "train_loss", "valid_loss", "valid_acc", "print_log")


class EpochClock(Callback):
    """Notes when each epoch starts."""

    def __init__(self) -> None:
        self.times: list[float] = []

    def on_epoch_begin(self, net: NeuralNetClassifier, **kwargs: Any) -> None:
        self.times.append(perf_counter())

    def seconds(self) -> list[float]:
        """Return the seconds of each epoch, the last one until now."""
        return [end - start for start, end in pairwise([*self.times, perf_counter()])]


class TrainEval(Callback):
    """Measures the training rows in eval mode, both numbers in one pass."""

    def on_epoch_end(self, net: NeuralNetClassifier, dataset_train: Dataset, **kwargs: Any) -> None:
        logits, targets = net.forward(dataset_train), torch.from_numpy(dataset_train.y)
        net.history.record("train_eval_loss", F.cross_entropy(logits, targets).item())
        net.history.record("train_eval_acc", (logits.argmax(1) == targets).float().mean().item())


def classifier(num_epochs: int, val: digits.Rows | None, **settings: Any) -> NeuralNetClassifier:
    """Return a network that is measured on val after each epoch, or on nothing."""
    module = nn.Sequential(
        nn.Linear(digits.NUM_FEATURES, digits.WIDTH), nn.ReLU(), nn.Linear(digits.WIDTH, digits.NUM_CLASSES)
    )
    return NeuralNetClassifier(
        module,
        criterion=nn.CrossEntropyLoss,
        optimizer=torch.optim.Adam,
        optimizer__fused=True,
        lr=digits.LR,
        max_epochs=num_epochs,
        batch_size=digits.BATCH_SIZE,
        iterator_train__shuffle=True,
        iterator_valid__batch_size=digits.EVAL_BATCH_SIZE,
        train_split=None if val is None else predefined_split(Dataset(*val)),
        **settings,
    )


def step_seconds(num_epochs: int) -> list[float]:
    """Return the mean seconds of a training step in each epoch, without any default callback."""
    train, _ = digits.load()
    clock = EpochClock()
    off = {f"callbacks__{name}": None for name in DEFAULT_CALLBACKS}
    classifier(num_epochs, None, callbacks=[clock], verbose=0, **off).fit(*train)
    return [seconds / digits.NUM_STEPS for seconds in clock.seconds()]


def epoch_seconds(num_epochs: int, lean: bool = False) -> list[float]:
    """Return the seconds of each epoch: training, then val and train_eval measured.

    Args:
        lean: without the printed rows and the best checkpoint on val, of which the history is part.
    """
    train, val = digits.load()
    clock = EpochClock()
    with tempfile.TemporaryDirectory() as folder:
        measured = [("clock", clock), ("train_eval", TrainEval())]
        recorded = [] if lean else [("checkpoint", Checkpoint(dirname=folder))]
        net = classifier(num_epochs, val, callbacks=[*measured, *recorded], verbose=0 if lean else 1)
        net.fit(*train)
        return clock.seconds()


def main() -> None:
    """Train and measure val after each epoch; write nothing but its last accuracy."""
    train, val = digits.load()
    net = classifier(digits.PROCESS_EPOCHS, val, verbose=0).fit(*train)
    print(f"val accuracy {net.history[-1, 'valid_acc']:.4f}")


if __name__ == "__main__":
    main()
