"""Parameters as views into a few matrices, so that update, gradient norm and weight norm are one operation each.

R members, P parameters of one, padded.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from dlx.core.rows import width, windows
from dlx.engine.param_groups import ParamKind


class Block(NamedTuple):
    """The parameters that are optimized alike, of R members.

    kind: what they have in common; values, gradient: [R, P], a row per member; shapes: of one member's, in order.
    """

    kind: ParamKind
    values: Tensor
    gradient: Tensor
    shapes: tuple[torch.Size, ...]

    def rows(self, start: int, end: int) -> nn.Parameter:
        """Return some members' rows as one parameter, with its gradient, for an optimizer."""
        window = nn.Parameter(self.values[start:end])
        window.grad = self.gradient[start:end]
        return window


class Flat(NamedTuple):
    """All parameters of R members.

    values, gradient: the memory of all blocks, one after the other; leaves: the parameters that the model computes
    with, views of `values` whose `.grad` are views of `gradient`, [*shape] in a plain model (R is 1), [R, *shape] in a
    stacked one; params: the same memory as [R, *shape] whatever the model, in order, for hooks; kinds: of each of them.
    """

    values: Tensor
    gradient: Tensor
    blocks: tuple[Block, ...]
    leaves: tuple[nn.Parameter, ...]
    params: tuple[nn.Parameter, ...]
    kinds: tuple[ParamKind, ...]

    def gradient_norms(self) -> Tensor:
        """Return the L2 norm of each member's gradient, [R]."""
        return _norms([block.gradient for block in self.blocks])

    def weight_norms(self) -> Tensor:
        """Return the L2 norm of each member's parameters, [R]."""
        return _norms([block.values for block in self.blocks])


def flatten(leaves: Sequence[nn.Parameter], num_members: int | None = None, kinds: Sequence[ParamKind] | None = None
            ) -> Flat:
    """Move parameters and their gradients into one matrix each, of every kind.

    Args:
        leaves: of one dtype and device. A parameter that the loss does not depend on has the gradient 0.
        num_members: R of a stacked model; None for a plain one.
        kinds: of each parameter; None where all are of one.

    Returns:
        The matrices. Whoever updates them in place, updates the parameters.
    """
    # Rows of a matrix have gaps between them, which autograd remarks upon once; in-place sums do not mind.
    warnings.filterwarnings("ignore", message="grad and param do not obey the gradient layout contract")
    shapes = [leaf.shape if num_members is None else leaf.shape[1:] for leaf in leaves]
    kinds = [ParamKind()] * len(leaves) if kinds is None else kinds
    shapes_of = {kind: tuple(shape for shape, own in zip(shapes, kinds, strict=True) if own == kind)
                 for kind in dict.fromkeys(kinds)}
    rows = num_members or 1
    sizes = [rows * width(own) for own in shapes_of.values()]
    values = torch.zeros(sum(sizes), dtype=leaves[0].dtype, device=leaves[0].device)
    gradient = torch.zeros_like(values)
    blocks = tuple(Block(kind, one.view(rows, -1), other.view(rows, -1), own) for (kind, own), one, other
                   in zip(shapes_of.items(), torch.split(values, sizes), torch.split(gradient, sizes), strict=True))
    views = {block.kind: _views(block) for block in blocks}
    params = tuple(next(views[kind]) for kind in kinds)
    for leaf, param in zip(leaves, params, strict=True):
        assert param.grad is not None
        param.data.copy_(leaf.data.view_as(param))
        leaf.data = param.data.view(leaf.shape) if num_members is None else param.data
        leaf.grad = param.grad.view(leaf.shape) if num_members is None else param.grad
    return Flat(values, gradient, blocks, tuple(leaves), params, tuple(kinds))


def _views(block: Block) -> Iterator[nn.Parameter]:
    for values, gradient in zip(windows(block.values, block.shapes), windows(block.gradient, block.shapes),
                                strict=True):
        param = nn.Parameter(values)
        param.grad = gradient
        yield param


def _norms(matrices: Sequence[Tensor]) -> Tensor:
    norms: list[Tensor] = [torch.linalg.vector_norm(matrix, dim=1) for matrix in matrices]
    # One after the other: the order in which a sum over an axis adds up depends on R.
    return norms[0] if len(norms) == 1 else functools.reduce(torch.add, [norm.square() for norm in norms]).sqrt()
