"""The work that all digits rows share: data and sizes. Shape letters: N rows, D features."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

NUM_FEATURES, WIDTH, NUM_CLASSES = 64, 128, 10
BATCH_SIZE, LR = 64, 1e-3
EVAL_BATCH_SIZE = 2048  # a whole split at once: what favours every library
NUM_STEPS = 17  # of an epoch: 1,077 rows in batches of 64
PROCESS_EPOCHS = 30  # of a whole process


class Rows(NamedTuple):
    """Inputs [N, D] float32 and targets [N] int64."""

    inputs: np.ndarray
    targets: np.ndarray


def load(seed: int = 0) -> tuple[Rows, Rows]:
    """Return train (1,077 rows) and val (360), standardized with train statistics; 360 test rows stay unread."""
    inputs, targets = images()
    inputs, _, targets, _ = train_test_split(inputs, targets, test_size=360, stratify=targets, random_state=seed)
    train, val, train_targets, val_targets = train_test_split(
        inputs, targets, test_size=360, stratify=targets, random_state=seed
    )
    mean, std = train.mean(0), train.std(0)
    std[std == 0] = 1
    scaled = [((rows - mean) / std).astype(np.float32) for rows in (train, val)]
    return Rows(scaled[0], train_targets.astype(np.int64)), Rows(scaled[1], val_targets.astype(np.int64))


@lru_cache(maxsize=1)
def images() -> tuple[np.ndarray, np.ndarray]:
    """Return all rows; the file is read once."""
    inputs, targets = load_digits(return_X_y=True)
    return inputs / 16, targets
