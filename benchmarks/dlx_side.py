"""dlx doing the work of the peers, for timing inside one process."""

from __future__ import annotations

import torch

torch.set_num_threads(1)


def step_seconds(num_epochs: int) -> list[float]:
    """Return the mean seconds of a training step of digits in each epoch, nothing measured."""
    raise NotImplementedError("the dlx side of digits-step is not written yet")


def epoch_seconds(num_epochs: int) -> list[float]:
    """Return the seconds of each epoch of digits: training, train_eval and val measured, CSV, checkpoints, progress.

    The last epoch lasts until the final checkpoint is durable.
    """
    raise NotImplementedError("the dlx side of digits-epoch is not written yet")


def mnist_epoch_seconds(num_epochs: int) -> list[float]:
    """Return the seconds of each epoch of training on 50,000 rows of MNIST; nothing is measured."""
    raise NotImplementedError("the dlx side of mnist-epoch is not written yet")
