"""Digits with Keras on torch."""

from __future__ import annotations

import os
import tempfile
from itertools import pairwise
from pathlib import Path
from time import perf_counter

os.environ["KERAS_BACKEND"] = "torch"

import digits
import keras
import numpy as np
import torch
from keras import layers
from keras.callbacks import Callback, CSVLogger, ModelCheckpoint

torch.set_num_threads(1)


class EpochClock(Callback):
    """Notes when each epoch starts."""

    def __init__(self) -> None:
        super().__init__()
        self.times: list[float] = []

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self.times.append(perf_counter())

    def seconds(self) -> list[float]:
        """Return the seconds of each epoch, the last one until now."""
        return [end - start for start, end in pairwise([*self.times, perf_counter()])]


class TrainEval(Callback):
    """Measures the training rows in eval mode."""

    def __init__(self, inputs: np.ndarray, targets: np.ndarray) -> None:
        super().__init__()
        self.inputs, self.targets = inputs, targets

    def on_epoch_end(self, epoch: int, logs: dict[str, float]) -> None:
        values = self.model.evaluate(
            self.inputs, self.targets, batch_size=digits.EVAL_BATCH_SIZE, verbose=0, return_dict=True
        )
        logs.update({f"train_eval_{name}": value for name, value in values.items()})


def classifier(measured: bool = True) -> keras.Model:
    """Return a compiled network; metrics of training batches are left out where nothing is measured."""
    model = keras.Sequential(
        [
            layers.Input((digits.NUM_FEATURES,)),
            layers.Dense(digits.WIDTH, activation="relu"),
            layers.Dense(digits.NUM_CLASSES),
        ]
    )
    model.compile(
        optimizer=keras.optimizers.Adam(digits.LR),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"] if measured else None,
    )
    return model


def step_seconds(num_epochs: int) -> list[float]:
    """Return the mean seconds of a training step in each epoch, with no metric and no output."""
    train, _ = digits.load()
    clock = EpochClock()
    classifier(measured=False).fit(
        *train, batch_size=digits.BATCH_SIZE, epochs=num_epochs, callbacks=[clock], verbose=0
    )
    return [seconds / digits.NUM_STEPS for seconds in clock.seconds()]


def epoch_seconds(num_epochs: int, lean: bool = False) -> list[float]:
    """Return the seconds of each epoch: training, then val and train_eval measured.

    Args:
        lean: without the CSV, the best checkpoint on val and the progress bar.
    """
    train, val = digits.load()
    clock = EpochClock()
    with tempfile.TemporaryDirectory() as folder:
        best = ModelCheckpoint(str(Path(folder, "best.keras")), save_best_only=True)
        recorded = [] if lean else [CSVLogger(str(Path(folder, "metrics.csv"))), best]
        classifier().fit(
            *train,
            batch_size=digits.BATCH_SIZE,
            epochs=num_epochs,
            validation_data=val,
            validation_batch_size=digits.EVAL_BATCH_SIZE,
            callbacks=[clock, TrainEval(*train), *recorded],
            verbose=0 if lean else 1,
        )
        return clock.seconds()


def main() -> None:
    """Train and measure val after each epoch; write nothing but its last accuracy."""
    train, val = digits.load()
    history = classifier().fit(
        *train,
        batch_size=digits.BATCH_SIZE,
        epochs=digits.PROCESS_EPOCHS,
        validation_data=val,
        validation_batch_size=digits.EVAL_BATCH_SIZE,
        verbose=0,
    )
    print(f"val accuracy {history.history['val_accuracy'][-1]:.4f}")


if __name__ == "__main__":
    main()
