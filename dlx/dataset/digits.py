"""Handwritten digits, 8×8, embedded in scikit-learn."""

from __future__ import annotations

import numpy as np

from dlx.core.types import Arrays, TaskSpec


class Digits:
    """1,797 handwritten digits of 43 writers, ten classes, grey values 0..16 divided by 16.

    Source: Alpaydin and Kaynak, Optical Recognition of Handwritten Digits, UCI 1998 (its test part), as scikit-learn
    ships it.
    """

    def spec(self) -> TaskSpec:
        """Describe images [1, 8, 8] of ten classes."""
        return TaskSpec("classification", "image", (1, 8, 8), 10, tuple("0123456789"))

    def load(self, data_dir: str) -> Arrays:
        """Return inputs [1797, 1, 8, 8] in [0, 1] and targets [1797]; nothing is read from data_dir."""
        from sklearn.datasets import load_digits

        data = load_digits()
        inputs = (data.images / 16.0).astype(np.float32)[:, None]
        return Arrays(inputs, data.target.astype(np.int64))
