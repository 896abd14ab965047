"""The largest singular value of a layer: what it can stretch an input by, at most.

K outputs, C inputs or channels, G groups, F frequencies.
"""

from __future__ import annotations

import copy
import math
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

# Inputs, numbers and multiplications up to which the matrix of an operator is computed whole.
DENSE_SIDE, DENSE_NUMBERS, DENSE = 512, 2**23, 2**28
# Multiplications up to which products with an operator are in float64 and to EXACT, else in float32 and to ROUGH.
SMALL = 2**20
EXACT, ROUGH = 1e-8, 5e-4
# Multiplications up to which a kernel's transform is looked at.
MAX_CIRCULAR = 2**26


class Norm(NamedTuple):
    """A spectral norm, and by which share of it the true one may be larger."""

    value: float
    tolerance: float


def matrix_norm(matrix: Tensor) -> float:
    """Return the largest singular value of a matrix [..., K, C]; of a stack the largest of all."""
    wide = matrix.shape[-2] < matrix.shape[-1]
    gram = matrix @ matrix.mH if wide else matrix.mH @ matrix
    return math.sqrt(max(0.0, float(torch.linalg.eigvalsh(gram).max())))


def operator_norm(layer: nn.Module, input_shape: tuple[int, ...]) -> Norm:
    """Return the norm of a linear layer without its bias as it maps an input [1, ...], its padding as it is.

    By Lanczos iteration on the product of the layer and its transpose (ARPACK); small ones from the whole matrix.

    Args:
        layer: in float64, with attributes weight and bias, such as a convolution.
        input_shape: 1 and what follows it.
    """
    operator: Any = copy.copy(layer)
    operator._parameters = {"weight": layer.weight.detach(), "bias": None}  # type: ignore[operator]
    with torch.no_grad():
        output = operator(torch.zeros(input_shape, dtype=torch.float64))
    size = math.prod(input_shape)
    products = operator.weight[0].numel() * output.numel()
    if size <= DENSE_SIDE and size * output.numel() <= DENSE_NUMBERS and products * size <= DENSE:
        with torch.no_grad():
            rows = operator(torch.eye(size, dtype=torch.float64).view(size, *input_shape[1:])).flatten(1)
        return Norm(matrix_norm(rows), EXACT)
    small = products <= SMALL
    if not small:
        operator._parameters["weight"] = operator.weight.float()
    return _largest(operator, input_shape, EXACT if small else ROUGH)


def _largest(operator: Any, input_shape: tuple[int, ...], tolerance: float) -> Norm:
    from scipy.sparse.linalg import LinearOperator, eigsh
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    x = torch.zeros(input_shape, dtype=operator.weight.dtype, requires_grad=True)
    with torch.enable_grad():
        y = operator(x)

    def product(vector: NDArray[np.float64]) -> NDArray[np.float64]:
        with torch.no_grad():
            there = operator(torch.from_numpy(vector).to(x.dtype).view(input_shape))
        back: NDArray[np.float64] = torch.autograd.grad(y, x, there, retain_graph=True)[0].double().flatten().numpy()
        return back

    if not operator.weight.any():
        return Norm(0.0, 0.0)
    start = np.random.default_rng(0).standard_normal(x.numel())
    gram = LinearOperator((x.numel(), x.numel()), matvec=product, dtype=np.float64)
    # Vectors are too short for threads, whose turns cost more than the products; those of torch are left alone.
    with threadpool_limits(limits=1, user_api="blas"):
        # An eigenvalue lies no farther than the residual: σ² to 2 tolerance is σ to tolerance.
        found = eigsh(gram, k=1, which="LA", v0=start, tol=2 * tolerance, return_eigenvectors=False)
    return Norm(math.sqrt(found[0]), tolerance)


def circular_norm(weight: Tensor, size: tuple[int, ...], stride: tuple[int, ...], dilation: tuple[int, ...],
                  groups: int) -> float | None:
    """Return the norm of a convolution of images that go on at the other side, from the transform of its kernel.

    Source: Sedghi, Gupta and Long, The singular values of convolutional layers, 2018; of strides, frequencies that
    fall together are side by side.

    Args:
        weight: [K, C / G, *kernel] in float64.
        size: of the images, without channels.

    Returns:
        None where strides do not divide the size, or it would take more than MAX_CIRCULAR multiplications.
    """
    if any(axis % step for axis, step in zip(size, stride, strict=True)):
        return None
    rows, columns = len(weight) // groups, weight.shape[1] * math.prod(stride)
    frequencies = groups * math.prod(size) // math.prod(stride)
    if frequencies * rows * columns * min(rows, columns) > MAX_CIRCULAR:
        return None
    return matrix_norm(_symbols(weight, size, stride, dilation, groups))


def _symbols(weight: Tensor, size: tuple[int, ...], stride: tuple[int, ...], dilation: tuple[int, ...], groups: int
             ) -> Tensor:
    """Return what the convolution is at every frequency, [F · G, K / G, C / G · product of strides]."""
    spread = weight.new_zeros(*weight.shape[:2], math.prod(size))
    place = torch.zeros((), dtype=torch.int64)
    for count, step, axis in zip(weight.shape[2:], dilation, size, strict=True):
        place = place[..., None] * axis + torch.arange(count) * step % axis
    spread.index_add_(2, place.flatten(), weight.flatten(2))
    spread = spread.view(*weight.shape[:2], *size)
    found = torch.fft.fftn(spread, dim=tuple(range(2, spread.ndim)))
    for number, step in enumerate(stride):
        # Frequencies that a stride makes one are those with the same remainder.
        axis = 2 + number
        parted = found.reshape(*found.shape[:axis], step, found.shape[axis] // step, *found.shape[axis + 1 :])
        found = parted.movedim(axis, 2).flatten(1, 2)
    found = found.flatten(2) / math.sqrt(math.prod(stride))
    made: Tensor = found.view(groups, -1, *found.shape[1:]).permute(3, 0, 1, 2).flatten(0, 1)
    return made
