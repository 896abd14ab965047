"""Handwritten digits with a colour that agrees with the label in train and not in test."""

from __future__ import annotations

import colorsys
from typing import Annotated

import numpy as np

from dlx.core.random import numpy_generator
from dlx.core.ranges import Range, Seed
from dlx.core.types import Arrays, TaskSpec

NUM_CLASSES = 10


class ColoredDigits:
    """The 1,797 digits of scikit-learn in ten colours, one for each class: a spurious feature.

    A digit has the colour of its class with probability `correlation`, else one of the nine others, each as probable;
    in the dataset's own test set with probability `test_correlation`. A model that looks at colour alone has these
    accuracies on train and test. After Arjovsky, Bottou, Gulrajani and Lopez-Paz, Invariant Risk Minimization, 2019,
    section 5.1, with ten classes instead of two and without label noise.

    Args:
        correlation: of colour and label outside of the test set, a probability in [0, 1].
        test_correlation: in the test set, in [0, 1]: 0.1 makes colour independent of the label, 0 never right.
        test_fraction: of each class, the dataset's own test set, in [0.01, 0.99].
        seed: of colours and test set; fixed in YAML, so that runs with different seeds see the same data and divide
            what is not the test set differently.
    """

    def __init__(self, correlation: Annotated[float, Range("[0, 1]")],
                 test_correlation: Annotated[float, Range("[0, 1]")],
                 test_fraction: Annotated[float, Range("[0.01, 0.99]")], seed: Seed) -> None:
        self.correlation = correlation
        self.test_correlation = test_correlation
        self.test_fraction = test_fraction
        self.seed = seed

    def spec(self) -> TaskSpec:
        """Describe images [3, 8, 8] of ten classes."""
        return TaskSpec("classification", "image", (3, 8, 8), NUM_CLASSES, tuple("0123456789"))

    def load(self, data_dir: str) -> Arrays:
        """Return inputs [1797, 3, 8, 8] in [0, 1], targets [1797], the test set, and the note `color` [1797].

        The colour is the number of the class that it stands for. Nothing is read from data_dir.
        """
        from sklearn.datasets import load_digits

        data = load_digits()
        targets = data.target.astype(np.int64)
        test_ids = self._test_ids(targets)
        probabilities = np.full(len(targets), self.correlation, np.float64)
        probabilities[test_ids] = self.test_correlation
        colors = self._colors(targets, probabilities)
        inputs = (data.images / 16.0)[:, None] * palette()[colors][:, :, None, None]
        return Arrays(inputs.astype(np.float32), targets, test_ids, {"color": colors})

    def _test_ids(self, targets: np.ndarray) -> np.ndarray:
        draw = numpy_generator(self.seed, "colored_digits", 0)
        shuffled = [draw.permutation(np.flatnonzero(targets == label)) for label in range(NUM_CLASSES)]
        return np.sort(np.concatenate([rows[: round(self.test_fraction * len(rows))] for rows in shuffled]))

    def _colors(self, targets: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
        draw = numpy_generator(self.seed, "colored_digits", 1)
        agrees = draw.random(len(targets)) < probabilities
        others = (targets + draw.integers(1, NUM_CLASSES, len(targets))) % NUM_CLASSES
        return np.where(agrees, targets, others)


def palette() -> np.ndarray:
    """Return the ten colours as red, green and blue in [0, 1], [10, 3]: hues evenly around the circle."""
    return np.array([colorsys.hsv_to_rgb(label / NUM_CLASSES, 1.0, 1.0) for label in range(NUM_CLASSES)])
