"""Eigenvalues and trace of a symmetric matrix that is known by its products with vectors. P rows, m of a basis."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

Product = Callable[[Tensor], Tensor]
# Eigenvalues far smaller than the largest in size are wanted less exactly, relative to themselves.
SMALL = 1e-2
# Products between two looks at whether eigenvalues have converged, which cost as much as a small product.
PATIENCE = 5
# Norm of what is left of a new basis vector, relative to the matrix, at which the basis spans an invariant space.
EXHAUSTED = 1e-10


class Krylov(NamedTuple):
    """An orthonormal basis [m, P] of a Krylov space, and the tridiagonal matrix that the operator is there.

    diagonal [m]; beside [m]: below the diagonal, the last one leading out of the space.
    """

    basis: Tensor
    diagonal: np.ndarray
    beside: np.ndarray

    def ritz(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return approximate eigenvalues [m], ascending, their vectors [m, m] in the basis, and residual norms [m]."""
        inner = np.diag(self.diagonal) + np.diag(self.beside[:-1], 1) + np.diag(self.beside[:-1], -1)
        values, vectors = np.linalg.eigh(inner)
        return values, vectors, np.abs(self.beside[-1] * vectors[-1])


class Eigenpairs(NamedTuple):
    """Eigenvalues [k], ascending, eigenvectors [k, P], and how far they are from being such: ‖Hv − λv‖ [k]."""

    values: np.ndarray
    vectors: Tensor
    residuals: np.ndarray


def lanczos(times: Product, start: Tensor, num_largest: int, num_smallest: int, tolerance: float, most: int) -> Krylov:
    """Multiply until the eigenvalues at both ends have converged: their residuals are at most tolerance · |λ|.

    The method of Lanczos 1950, every new vector orthogonalized twice against all others (Parlett 1980), so that no
    eigenvalue appears twice; one that the matrix has several times is found once. Of an eigenvalue below a hundredth of
    the largest in size the residual is compared with that hundredth. Its error is at most the residual, and about its
    square over the distance to the next eigenvalue.

    Args:
        start: [P], random.
        most: products at most.
    """
    basis = start.new_empty((min(most, len(start)), len(start)))
    diagonal: list[float] = []
    beside: list[float] = []
    vector = start / start.norm()
    for step in range(len(basis)):
        basis[step] = vector
        image, own = times(vector), basis[: step + 1]
        diagonal.append(float(image @ vector))
        for _ in range(2):
            image = image - own.T @ (own @ image)
        beside.append(float(image.norm()))
        known = Krylov(own, np.array(diagonal), np.array(beside))
        if beside[-1] <= EXHAUSTED * max(map(abs, [*diagonal, *beside])):
            return known
        if (step + 1) % PATIENCE == 0 and _converged(known, num_largest, num_smallest, tolerance):
            return known
        vector = image / beside[-1]
    return known


def _converged(known: Krylov, num_largest: int, num_smallest: int, tolerance: float) -> bool:
    values, _, residuals = known.ritz()
    if len(values) < num_largest + num_smallest:
        return False
    wanted = [*range(num_smallest), *range(len(values) - num_largest, len(values))]
    allowed = tolerance * np.maximum(np.abs(values), SMALL * np.abs(values).max())
    return bool((residuals[wanted] <= allowed[wanted]).all())


def eigenpairs(known: Krylov, times: Product, num_largest: int, num_smallest: int) -> Eigenpairs:
    """Return the eigenpairs at both ends of what is known, at most as many as are asked; residuals are measured."""
    values, vectors, _ = known.ritz()
    count = len(values)
    wanted = sorted({*range(min(num_smallest, count)), *range(max(0, count - num_largest), count)})
    inner = torch.from_numpy(np.ascontiguousarray(vectors[:, wanted].T)).to(known.basis)
    found = inner @ known.basis
    residuals = [float((times(vector) - value * vector).norm()) / float(vector.norm())
                 for vector, value in zip(found, values[wanted].tolist(), strict=True)]
    return Eigenpairs(values[wanted], found, np.array(residuals))


def matrix(times: Product, like: Tensor) -> Tensor:
    """Return the whole matrix [P, P], product by product, made exactly symmetric; like: any vector [P]."""
    rows = torch.stack([times(unit) for unit in torch.eye(len(like), dtype=like.dtype, device=like.device)])
    return (rows + rows.T) / 2


def trace(times: Product, known: Krylov, probes: Tensor) -> tuple[float, np.ndarray]:
    """Return the trace within the space that is known, and unbiased estimates of the rest [s], one a probe.

    Hutch++ (Meyer, Musco, Musco and Woodruff 2021): tr(QᵀHQ) + the mean of gᵀ(I − QQᵀ)H(I − QQᵀ)g, with the Krylov
    basis as Q, which Lanczos has paid for (Chen and Hallman 2023).

    Args:
        probes: [s, P], independent, of random signs.
    """
    rest = probes - (probes @ known.basis.T) @ known.basis
    estimates = [float(probe @ times(probe)) for probe in rest]
    return float(known.diagonal.sum()), np.array(estimates)
