"""The geometry of features: how many directions they use. N examples, D features.

All are unchanged by shifts and rotations of the features, and but for the intrinsic dimension computed from the Gram
matrix, so that D may be large.
"""

from __future__ import annotations

import numpy as np

# Of the largest eigenvalue: what is smaller is rounding.
ROUNDING = 1e-12
# Candidates for the two nearest points.
NEAREST = 8


def spectrum(features: np.ndarray) -> np.ndarray:
    """Return the eigenvalues of the covariance of features [N, D], largest first, at most min(N, D), dividing by N."""
    centred = _centred(features)
    n, d = centred.shape
    matrix = centred @ centred.T if n <= d else centred.T @ centred
    values: np.ndarray = np.linalg.eigvalsh(matrix)[::-1] / n
    return np.where(values > ROUNDING * max(values[0], 0.0), values, 0.0)


def effective_rank(values: np.ndarray) -> float:
    """Return exp(−Σ p log p), p = s / Σ s, s the singular values of centred features (Roy and Vetterli 2007).

    Args:
        values: see `spectrum`. s is their square root, up to a factor. nan where all are 0.
    """
    singular = np.sqrt(values[values > 0])
    if singular.size == 0:
        return float("nan")
    shares = singular / singular.sum()
    return float(np.exp(-(shares * np.log(shares)).sum()))


def participation_ratio(values: np.ndarray) -> float:
    """Return (Σ λ)² / Σ λ², λ the eigenvalues of the covariance (Gao et al. 2017); nan where all are 0."""
    return float(values.sum() ** 2 / (values**2).sum()) if values.any() else float("nan")


def stable_rank(values: np.ndarray) -> float:
    """Return ‖H‖_F² / ‖H‖₂² of centred features H, which is Σ λ / max λ; nan where all are 0."""
    return float(values.sum() / values.max()) if values.any() else float("nan")


def two_nearest(features: np.ndarray) -> np.ndarray:
    """Return the ratios r₂ / r₁ [M] of the distances of each of N points to its two nearest others.

    Points that equal another one have no ratio and are left out: of equal points one is kept.
    """
    points = np.unique(_centred(features), axis=0)
    if len(points) < 3:
        return np.empty(0)
    # Squares of differences by products, which are quick and round where points are near; so those few are made anew.
    products = points @ points.T
    squares = np.diag(products)[:, None] + np.diag(products) - 2 * products
    np.fill_diagonal(squares, np.inf)
    few = min(NEAREST, len(points) - 1)
    candidates = np.argpartition(squares, few - 1, axis=1)[:, :few]
    distances = np.stack([np.linalg.norm(points[candidates[:, place]] - points, axis=1) for place in range(few)])
    nearest = np.sort(distances, axis=0)[:2]
    ratios: np.ndarray = nearest[1] / nearest[0]
    return ratios


def two_nn(features: np.ndarray) -> float:
    """Return the intrinsic dimension M / Σ log(r₂ / r₁): the maximum-likelihood form of TwoNN (Facco et al. 2017).

    nan where fewer than three points differ, or all ratios are 1.
    """
    logs = np.log(two_nearest(features))
    return float(len(logs) / logs.sum()) if logs.any() else float("nan")


def gram(features: np.ndarray) -> np.ndarray:
    """Return the centred Gram matrix [N, N] of features [N, D], divided by its norm; zeros where features are equal."""
    centred = _centred(features)
    matrix: np.ndarray = centred @ centred.T
    norm = np.linalg.norm(matrix)
    return matrix / norm if norm > 0 else matrix


def linear_cka(one: np.ndarray, other: np.ndarray) -> float:
    """Return the linear centred kernel alignment ⟨K, L⟩ / (‖K‖ ‖L‖) of two centred Gram matrices (Kornblith 2019)."""
    norms = np.linalg.norm(one) * np.linalg.norm(other)
    return float((one * other).sum() / norms) if norms > 0 else float("nan")


def debiased_cka(one: np.ndarray, other: np.ndarray) -> float:
    """Return linear CKA with the unbiased estimator of HSIC (Song et al. 2012; Nguyen, Raghu and Kornblith 2021).

    The plain one is near 1 for unrelated features where D is not far below N; this one is near 0. nan for N < 4 or
    features without variation.

    Args:
        one, other: Gram matrices [N, N], centred or not, of the same examples.
    """
    if len(one) < 4:
        return float("nan")
    norms = _hsic(one, one) * _hsic(other, other)
    return float(_hsic(one, other) / np.sqrt(norms)) if norms > 0 else float("nan")


def _hsic(one: np.ndarray, other: np.ndarray) -> float:
    n = len(one)
    k, m = (matrix - np.diag(np.diag(matrix)) for matrix in (one, other))
    return float(((k * m).sum() + k.sum() * m.sum() / ((n - 1) * (n - 2))
                  - 2 * (k.sum(axis=0) @ m.sum(axis=0)) / (n - 2)) / (n * (n - 3)))


def _centred(features: np.ndarray) -> np.ndarray:
    own = features.astype(np.float64)
    centred: np.ndarray = own - own.mean(axis=0)
    return centred
