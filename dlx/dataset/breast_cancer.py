"""Breast cancer Wisconsin (diagnostic), embedded in scikit-learn."""

from __future__ import annotations

import numpy as np

from dlx.core.types import Arrays, Column, TaskSpec

MEASURES = ("radius", "texture", "perimeter", "area", "smoothness", "compactness", "concavity", "concave points",
            "symmetry", "fractal dimension")
COLUMNS = (*(f"mean {name}" for name in MEASURES), *(f"{name} error" for name in MEASURES),
           *(f"worst {name}" for name in MEASURES))


class BreastCancer:
    """569 tumours described by 30 measurements of cell nuclei: malignant (0) or benign (1).

    Source: Street, Wolberg and Mangasarian 1993, UCI, as scikit-learn ships it. The columns differ in scale by four
    orders of magnitude: standardize them.
    """

    def spec(self) -> TaskSpec:
        """Describe rows of 30 numbers of two classes."""
        return TaskSpec("classification", "table", (30,), 2, ("malignant", "benign"),
                        tuple(map(Column, COLUMNS)))

    def load(self, data_dir: str) -> Arrays:
        """Return inputs [569, 30] in their own units and targets [569]; nothing is read from data_dir."""
        from sklearn.datasets import load_breast_cancer

        data = load_breast_cancer()
        return Arrays(data.data.astype(np.float32), data.target.astype(np.int64))
