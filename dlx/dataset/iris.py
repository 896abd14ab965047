"""Iris, embedded in scikit-learn."""

from __future__ import annotations

import numpy as np

from dlx.core.types import Arrays, Column, TaskSpec

COLUMNS = ("sepal length (cm)", "sepal width (cm)", "petal length (cm)", "petal width (cm)")


class Iris:
    """150 iris flowers described by four lengths in centimetres, 50 of each of three species.

    Source: Fisher, The use of multiple measurements in taxonomic problems, 1936, as scikit-learn ships it.
    """

    def spec(self) -> TaskSpec:
        """Describe rows of 4 numbers of three classes."""
        return TaskSpec("classification", "table", (4,), 3, ("setosa", "versicolor", "virginica"),
                        tuple(map(Column, COLUMNS)))

    def load(self, data_dir: str) -> Arrays:
        """Return inputs [150, 4] and targets [150]; nothing is read from data_dir."""
        from sklearn.datasets import load_iris

        data = load_iris()
        return Arrays(data.data.astype(np.float32), data.target.astype(np.int64))
