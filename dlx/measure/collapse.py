"""Neural collapse: Papyan, Han and Donoho, Prevalence of neural collapse during the terminal phase, 2020.

N examples, D features, C classes. H is what the last layer gets, W and b its weights.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Classes(NamedTuple):
    """Features by class: means [C, D], their mean over classes [D], and the covariance within classes [D, D]."""

    means: np.ndarray
    centre: np.ndarray
    within: np.ndarray

    @property
    def centred(self) -> np.ndarray:
        """Class means minus the mean of class means, [C, D]."""
        rows: np.ndarray = self.means - self.centre
        return rows


def classes_of(features: np.ndarray, targets: np.ndarray, num_classes: int) -> Classes:
    """Divide features [N, D] by targets [N]; every class has an example."""
    own = features.astype(np.float64)
    means = np.stack([own[targets == number].mean(axis=0) for number in range(num_classes)])
    deviations = own - means[targets]
    return Classes(means, means.mean(axis=0), deviations.T @ deviations / len(own))


def within_to_between(classes: Classes) -> float:
    """Return NC1, tr(Σ_W Σ_B⁺) / C: 0 where every example has the features of its class's mean.

    Σ_W averages over examples, Σ_B over classes.
    """
    count = len(classes.means)
    # Σ_B⁺ has the range of the centred means: of their SVD U S V, it is V' diag(C / s²) V.
    _, scales, directions = np.linalg.svd(classes.centred, full_matrices=False)
    kept = scales > scales.max() * 1e-10 if scales.any() else np.zeros(len(scales), bool)
    projected = directions[kept] @ classes.within @ directions[kept].T
    return float((np.diag(projected) * count / scales[kept] ** 2).sum() / count) if kept.any() else float("nan")


def norm_variation(rows: np.ndarray) -> float:
    """Return NC2's equal lengths: standard deviation of the norms of rows [C, D] over their mean."""
    norms = np.linalg.norm(rows, axis=1)
    return float(norms.std() / norms.mean()) if norms.any() else float("nan")


def angle_deviation(rows: np.ndarray) -> float:
    """Return NC2's equal angles: the mean over pairs of rows [C, D] of |cos + 1 / (C − 1)|; 0 for a simplex."""
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    if len(rows) < 2 or not norms.all():
        return float("nan")
    cosines = (rows / norms) @ (rows / norms).T
    pairs = cosines[np.triu_indices(len(rows), 1)]
    return float(np.abs(pairs + 1 / (len(rows) - 1)).mean())


def self_duality(weights: np.ndarray, classes: Classes) -> float:
    """Return NC3, ‖W / ‖W‖_F − M / ‖M‖_F‖_F², M the centred class means, both [C, D]: 0 where they are parallel."""
    norms = np.linalg.norm(weights), np.linalg.norm(classes.centred)
    if not all(norms):
        return float("nan")
    return float((((weights / norms[0]) - (classes.centred / norms[1])) ** 2).sum())


def centre_disagreement(features: np.ndarray, predictions: np.ndarray, means: np.ndarray) -> float:
    """Return NC4: the share of examples whose prediction is not the class of the nearest mean.

    Args:
        features: [N, D]; predictions: [N], of the model; means: of the classes [C, D].
    """
    own = features.astype(np.float64)
    squares = (own**2).sum(axis=1)[:, None] - 2 * own @ means.T + (means**2).sum(axis=1)
    return float((squares.argmin(axis=1) != predictions).mean())
