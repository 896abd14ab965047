"""Diabetes progression, embedded in scikit-learn."""

from __future__ import annotations

import numpy as np

from dlx.core.types import Arrays, Column, TaskSpec

COLUMNS = ("age", "sex", "bmi", "bp", "s1", "s2", "s3", "s4", "s5", "s6")


class Diabetes:
    """442 patients, 10 measurements at baseline; the target is disease progression a year later (25 to 346).

    Source: Efron, Hastie, Johnstone and Tibshirani, Least Angle Regression, 2004, as scikit-learn ships it, unscaled.
    """

    def spec(self) -> TaskSpec:
        """Describe rows of 10 numbers with one real target."""
        return TaskSpec("regression", "table", (10,), 1, (), tuple(map(Column, COLUMNS)))

    def load(self, data_dir: str) -> Arrays:
        """Return inputs [442, 10] and targets [442] in their own units; nothing is read from data_dir."""
        from sklearn.datasets import load_diabetes

        data = load_diabetes(scaled=False)
        return Arrays(data.data.astype(np.float32), data.target.astype(np.float32))
