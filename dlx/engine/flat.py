"""Parameters as views into one matrix, so that update, gradient norm and weight norm are one operation each.

R members, P parameters of one, padded.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

# Views begin at multiples of 64 bytes of float32, as matrix products like them; the padding stays zero.
ALIGNMENT = 16


class Flat(NamedTuple):
    """All parameters of R members.

    values, gradient: [R, P], a row per member; leaves: the parameters that the model computes with, views of `values`
    whose `.grad` are views of `gradient`, [*shape] in a plain model (R is 1), [R, *shape] in a stacked one; params:
    the same memory as [R, *shape] whatever the model, in order, for hooks.
    """

    values: Tensor
    gradient: Tensor
    leaves: tuple[nn.Parameter, ...]
    params: tuple[nn.Parameter, ...]

    def rows(self, start: int, end: int) -> nn.Parameter:
        """Return some members' rows as one parameter, with its gradient, for an optimizer."""
        window = nn.Parameter(self.values[start:end])
        window.grad = self.gradient[start:end]
        return window


def flatten(leaves: Sequence[nn.Parameter], num_members: int | None = None) -> Flat:
    """Move parameters and their gradients into one matrix each.

    Args:
        leaves: of one dtype and device. A parameter that the loss does not depend on has the gradient 0.
        num_members: R of a stacked model; None for a plain one.

    Returns:
        The matrices. Whoever updates them in place, updates the parameters.
    """
    # Rows of several members do not lie without gaps, which torch remarks on, once; their gradients lie as they do.
    warnings.filterwarnings("ignore", message="grad and param do not obey the gradient layout contract")
    count = num_members or 1
    shapes = [leaf.shape if num_members is None else leaf.shape[1:] for leaf in leaves]
    width = sum(_padded(shape) for shape in shapes)
    values = torch.zeros(count, width, dtype=leaves[0].dtype, device=leaves[0].device)
    gradient = torch.zeros_like(values)
    params = tuple(nn.Parameter(window) for window in windows(values, shapes))
    for leaf, param, grad in zip(leaves, params, windows(gradient, shapes), strict=True):
        param.data.copy_(leaf.data.view_as(param))
        param.grad = grad
        leaf.data = param.data.view(leaf.shape) if num_members is None else param.data
        leaf.grad = grad.view(leaf.shape) if num_members is None else grad
    return Flat(values, gradient, tuple(leaves), params)


def windows(matrix: Tensor, shapes: Sequence[torch.Size]) -> Iterator[Tensor]:
    """Yield the views [R, *shape] of a matrix [R, P], one per parameter."""
    start = 0
    for shape in shapes:
        yield matrix[:, start : start + shape.numel()].view(-1, *shape)
        start += _padded(shape)


def _padded(shape: torch.Size) -> int:
    return -(-shape.numel() // ALIGNMENT) * ALIGNMENT
