"""Layers whose weights have the largest singular value 1. R members, O outputs and I inputs of a weight [O, I].

Unlike torch's parametrization, weights keep their names, and members of a fused run compute together.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

# Before the first step, as torch has it.
INITIAL_ITERATIONS = 15
EPS = 1e-12


class Normalized(nn.Module):
    """A layer that computes with W / σ, σ = uᵀ·W·v, and learns W.

    u [O] and v [I] are the singular vectors of the largest singular value as far as power iteration has come, from
    where it was at the step before. All may have an axis of members in front.
    """

    u: Tensor
    v: Tensor
    num_iterations: int

    @property
    def weight(self) -> Tensor:
        """The weight to compute with; the gradient takes u and v for constants."""
        weight = self._parameters["weight"]
        assert weight is not None
        # They may change before the gradient is taken.
        u, v = self.u.clone(), self.v.clone()
        sigma = (u * _product(weight.flatten(u.ndim), v)).sum(dim=-1)
        return weight / sigma.view(*sigma.shape, *[1] * (weight.ndim - sigma.ndim))

    @torch.no_grad()
    def iterate(self, num_iterations: int) -> None:
        """Bring u and v closer to the singular vectors."""
        weight = self._parameters["weight"]
        assert weight is not None
        matrix = weight.flatten(self.u.ndim)
        for _ in range(num_iterations):
            self.u.copy_(_unit(_product(matrix, self.v)))
            self.v.copy_(_unit(_product(matrix.mT, self.u)))


class SpectralLinear(Normalized, nn.Linear):  # type: ignore[override]
    """A linear layer with a normalized weight."""


class SpectralConv1d(Normalized, nn.Conv1d):  # type: ignore[override]
    """A convolution with a normalized weight, filters as rows."""


class SpectralConv2d(Normalized, nn.Conv2d):  # type: ignore[override]
    """A convolution with a normalized weight, filters as rows."""


NORMALIZED: dict[type[nn.Module], type[Normalized]] = {
    nn.Linear: SpectralLinear, nn.Conv1d: SpectralConv1d, nn.Conv2d: SpectralConv2d}


def normalize(layer: Any, num_iterations: int) -> None:
    """Normalize the weight of a layer of a type in NORMALIZED, in place; u and v are drawn from the global generator.

    Args:
        num_iterations: power iterations at every pass in training mode.
    """
    weight = layer.weight.detach()
    layer.__class__ = NORMALIZED[type(layer)]
    layer.num_iterations = num_iterations
    for name, size in (("u", len(weight)), ("v", weight[0].numel())):
        layer.register_buffer(name, _unit(torch.randn(size, dtype=weight.dtype, device=weight.device)))
    layer.iterate(INITIAL_ITERATIONS)
    layer.register_forward_pre_hook(iterate_in_training)


def iterate_in_training(layer: Normalized, inputs: object) -> None:
    """Bring u and v of a layer in training mode closer to the singular vectors of its weight of this step."""
    if layer.training:
        layer.iterate(layer.num_iterations)


def _product(matrix: Tensor, vector: Tensor) -> Tensor:
    # Not as a matrix product, which autocast would round.
    return (matrix * vector.unsqueeze(-2)).sum(dim=-1)


def _unit(vector: Tensor) -> Tensor:
    return nn.functional.normalize(vector, dim=-1, eps=EPS)


def denormalize(layer: Any) -> None:
    """Give a normalized layer, in place, the weight that it computes with, and the type that it had before."""
    weight = layer.weight.detach().clone()
    layer.__class__ = next(plain for plain, normalized in NORMALIZED.items() if normalized is type(layer))
    layer.weight = nn.Parameter(weight)
