"""Round clouds of points, one per class."""

from __future__ import annotations

from typing import Annotated

import numpy as np

from dlx.core.errors import ConfigError
from dlx.core.ranges import Count, NonNegative, Range
from dlx.core.types import Arrays, TaskSpec


class Blobs:
    """Normal clouds of equal spread around centres drawn evenly from the cube [-10, 10]^D: scikit-learn's make_blobs.

    No classifier is better than the nearest centre: see `centers`. Its accuracy with the defaults is 92%.

    Args:
        num_examples: of all classes, as many of each as of any other, or one more.
        num_features: D, the coordinates of a point.
        num_classes: the clouds, in [2, 65536].
        noise: standard deviation of each coordinate around its centre, in [0, inf).
        seed: of the draws, in [0, 4294967295]; fixed in YAML, so that runs with different seeds see the same data and
            divide it differently.

    Raises:
        ConfigError: fewer examples than classes.
    """

    def __init__(self, num_examples: Count, num_features: Annotated[int, Range("[1, 65536]")],
                 num_classes: Annotated[int, Range("[2, 65536]")], noise: NonNegative,
                 seed: Annotated[int, Range("[0, 4294967295]")]) -> None:
        if num_examples < num_classes:
            raise ConfigError(f"dataset.num_examples={num_examples} leaves classes without examples: use at least "
                              f"{num_classes}, as many as dataset.num_classes")
        self.num_examples = num_examples
        self.num_features = num_features
        self.num_classes = num_classes
        self.noise = noise
        self.seed = seed

    def spec(self) -> TaskSpec:
        """Describe points of the classes."""
        return TaskSpec("classification", "table", (self.num_features,), self.num_classes,
                        tuple(map(str, range(self.num_classes))))

    def load(self, data_dir: str) -> Arrays:
        """Return inputs [N, D] and targets [N]; nothing is read from data_dir."""
        inputs, targets, _ = self._draw()
        return Arrays(inputs.astype(np.float32), targets.astype(np.int64))

    def centers(self) -> np.ndarray:
        """Return the true centres, [C, D]."""
        return self._draw()[2]

    def _draw(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        from sklearn.datasets import make_blobs

        drawn: tuple[np.ndarray, np.ndarray, np.ndarray] = make_blobs(
            self.num_examples, self.num_features, centers=self.num_classes, cluster_std=float(self.noise),
            random_state=self.seed, return_centers=True)
        return drawn
