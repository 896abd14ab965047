"""How alike many features are, two by two. M features, each as the Gram matrix [N, N] of the same N examples."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def from_upper(upper: Array) -> Array:
    """Return the symmetric matrix [N, N] of its upper triangle, row by row, with the diagonal [N (N + 1) / 2].

    Raises:
        ValueError: there is no such N.
    """
    n = int((np.sqrt(8 * len(upper) + 1) - 1) / 2)
    if n * (n + 1) // 2 != len(upper):
        raise ValueError(f"{len(upper)} numbers are no upper triangle")
    matrix = np.zeros((n, n))
    matrix[np.triu_indices(n)] = upper
    return matrix + matrix.T - np.diag(np.diag(matrix))


def plain_cka(grams: Array) -> Array:
    """Return `dlx.measure.features.linear_cka` of each two of centred Gram matrices [M, N, N]: [M, M]."""
    return _cosines(grams.reshape(len(grams), -1))


def debiased_cka(grams: Array) -> Array:
    """Return `dlx.measure.features.debiased_cka` of each two of Gram matrices [M, N, N]: [M, M], N ≥ 4.

    The inner product of U-centred matrices (Székely and Rizzo 2014) over N (N − 3) is the unbiased estimator of HSIC:
    each matrix is centred once.
    """
    n = grams.shape[1]
    hollow = grams * (1 - np.eye(n))
    rows = hollow.sum(axis=2) / (n - 2)
    total = hollow.sum(axis=(1, 2))[:, None, None] / ((n - 1) * (n - 2))
    centred = (hollow - rows[:, :, None] - rows[:, None, :] + total) * (1 - np.eye(n))
    return _cosines(centred.reshape(len(grams), -1))


def _cosines(vectors: Array) -> Array:
    """Return cosines of rows, nan of rows of zeros."""
    norms = np.sqrt((vectors**2).sum(axis=1))
    scaled = vectors / np.where(norms > 0, norms, np.nan)[:, None]
    products: Array = np.einsum("id,jd->ij", scaled, scaled)
    return products
