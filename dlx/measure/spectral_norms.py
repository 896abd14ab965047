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

# Of operators with so many multiplications every singular value is computed to rounding, of those with fewer than the
# second number the largest in float64, of larger ones in float32.
DENSE, SMALL = 2**18, 2**20
DENSE_SIDE = 256
EXACT, ROUGH = 1e-8, 5e-4
# Numbers of a transformed kernel that are held at once, and multiplications of its exact singular values.
MAX_ELEMENTS, MAX_EXACT = 2**23, 2**27
SCREENING, SCREENED = 30, 8


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
    operator._parameters = {"weight": layer.weight.detach(), "bias": None}  # type: ignore[operator, union-attr]
    with torch.no_grad():
        output = operator(torch.zeros(input_shape, dtype=torch.float64))
    size = math.prod(input_shape)
    products = operator.weight[0].numel() * output.numel()
    if size <= DENSE_SIDE and products * size <= DENSE * DENSE_SIDE:
        with torch.no_grad():
            rows = operator(torch.eye(size, dtype=torch.float64).view(size, *input_shape[1:])).flatten(1)
        return Norm(matrix_norm(rows), EXACT)
    small = products <= SMALL
    if not small:
        operator._parameters["weight"] = operator.weight.float()
    return _largest(operator, input_shape, EXACT if small else ROUGH)


def _largest(operator: Any, input_shape: tuple[int, ...], tolerance: float) -> Norm:
    from scipy.sparse.linalg import LinearOperator, eigsh

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
    # An eigenvalue lies no farther than the residual, and that of σ² within 2 tolerance within tolerance of σ.
    found = eigsh(gram, k=1, which="LA", v0=start, tol=2 * tolerance, return_eigenvectors=False)
    return Norm(math.sqrt(found[0]), tolerance)


def circular_norm(weight: Tensor, size: tuple[int, ...], stride: tuple[int, ...], dilation: tuple[int, ...],
                  groups: int) -> float | None:
    """Return the norm of a convolution of images that go on at the other side, from the transform of its kernel.

    Source: Sedghi, Gupta and Long, The singular values of convolutional layers, 2018; of strides, frequencies that
    fall together are side by side. Of large kernels the frequencies are screened by power iteration and the first of
    them computed.

    Args:
        weight: [K, C / G, *kernel] in float64.
        size: of the images, without channels.

    Returns:
        None where strides do not divide the size, or the transform is too large.
    """
    if any(axis % step for axis, step in zip(size, stride, strict=True)) \
            or weight[..., *[0] * len(size)].numel() * math.prod(size) > MAX_ELEMENTS:
        return None
    symbols = _symbols(weight, size, stride, dilation, groups)
    side = min(symbols.shape[1:])
    if len(symbols) * side**3 > MAX_EXACT:
        symbols = symbols[_screened(symbols)]
    return matrix_norm(symbols)


def _symbols(weight: Tensor, size: tuple[int, ...], stride: tuple[int, ...], dilation: tuple[int, ...], groups: int
             ) -> Tensor:
    """Return what the convolution is at every frequency, [F · G, K / G, C / G · product of strides]."""
    spread = weight.new_zeros(*weight.shape[:2], math.prod(size))
    place = torch.zeros((), dtype=torch.int64)
    for count, step, axis in zip(weight.shape[2:], dilation, size, strict=True):
        place = place[..., None] * axis + torch.arange(count) * step % axis
    spread.index_add_(2, place.flatten(), weight.flatten(2))
    spread = spread.unflatten(2, size)
    found = torch.fft.fftn(spread, dim=tuple(range(2, spread.ndim)))
    for number, step in enumerate(stride):
        # Frequencies that a stride makes one are those with the same remainder.
        found = found.unflatten(2 + number, (step, -1)).movedim(2 + number, 2).flatten(1, 2)
    found = found.flatten(2) / math.sqrt(math.prod(stride))
    return found.unflatten(0, (groups, -1)).permute(3, 0, 1, 2).flatten(0, 1)


def _screened(symbols: Tensor) -> Tensor:
    """Return the indices of the matrices [F, K, C] that stretch most, by power iteration from one start."""
    draw = torch.Generator().manual_seed(0)
    v = torch.randn(1, symbols.shape[2], 1, dtype=symbols.dtype, generator=draw).expand(len(symbols), -1, -1)
    for _ in range(SCREENING):
        v = symbols.mH @ (symbols @ v)
        v = v / torch.linalg.vector_norm(v, dim=1, keepdim=True).clamp(min=1e-300)
    stretched = torch.linalg.vector_norm(symbols @ v, dim=1)[:, 0]
    return stretched.argsort(descending=True)[:SCREENED]
