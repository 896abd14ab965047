"""Wine recognition, embedded in scikit-learn."""

from __future__ import annotations

import numpy as np

from dlx.core.types import Arrays, Column, TaskSpec

COLUMNS = ("alcohol", "malic_acid", "ash", "alcalinity_of_ash", "magnesium", "total_phenols", "flavanoids",
           "nonflavanoid_phenols", "proanthocyanins", "color_intensity", "hue", "od280/od315_of_diluted_wines",
           "proline")


class Wine:
    """178 Italian wines of three cultivars described by 13 chemical measurements.

    Source: Aeberhard, Coomans and de Vel, UCI 1991, as scikit-learn ships it. The columns differ in scale by three
    orders of magnitude: standardize them.
    """

    def spec(self) -> TaskSpec:
        """Describe rows of 13 numbers of three classes."""
        return TaskSpec("classification", "table", (13,), 3, ("class_0", "class_1", "class_2"),
                        tuple(map(Column, COLUMNS)))

    def load(self, data_dir: str) -> Arrays:
        """Return inputs [178, 13] in their own units and targets [178]; nothing is read from data_dir."""
        from sklearn.datasets import load_wine

        data = load_wine()
        return Arrays(data.data.astype(np.float32), data.target.astype(np.int64))
