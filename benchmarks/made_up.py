"""Random data in memory, of the sizes of well-known data sets: what a step costs does not depend on what it learns."""

from __future__ import annotations

import numpy as np

from dlx.core.types import Arrays, TaskSpec


class IrisSized:
    """150 rows of 4 numbers, three classes."""

    def spec(self) -> TaskSpec:
        return TaskSpec("classification", "table", (4,), 3, tuple("abc"))

    def load(self, data_dir: str) -> Arrays:
        return drawn(150, (4,), 3)


class Cifar10Sized:
    """2,000 images [3, 32, 32] of ten classes."""

    def spec(self) -> TaskSpec:
        return TaskSpec("classification", "image", (3, 32, 32), 10, tuple("0123456789"))

    def load(self, data_dir: str) -> Arrays:
        return drawn(2000, (3, 32, 32), 10)


def drawn(num_rows: int, shape: tuple[int, ...], num_classes: int) -> Arrays:
    """Draw inputs from a normal distribution, and as many targets of every class."""
    generator = np.random.default_rng(0)
    inputs = generator.standard_normal((num_rows, *shape), dtype=np.float32)
    return Arrays(inputs, np.arange(num_rows) % num_classes)
