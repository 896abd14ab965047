"""Gradient clipping."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, Literal

from dlx.core.errors import ConfigError
from dlx.core.ranges import Positive

if TYPE_CHECKING:
    from torch import Tensor

    from dlx.core.hooks import Moment

# Weights of a smaller norm count as of this one, so that those that start at 0 can move.
LEAST_NORM = 1e-3


class GradientClip:
    """Bounds the gradient g before the update.

    norm: g ← g · min(1, limit / |g|) with the L2 norm |g| over all parameters (Pascanu, Mikolov and Bengio, On the
    difficulty of training recurrent neural networks, 2013). value: each number of g is put into [-limit, limit].
    adaptive: norm for each unit by itself, whose limit is limit · max(|w|, 0.001) with the norm |w| of its weights
    (Brock, De, Smith and Simonyan, High-performance large-scale image recognition without normalization, 2021, equation
    3). A unit is a row of a matrix, a filter of a convolution, or a whole vector, as biases are; the last layer is
    clipped like the others, which the paper does not do.

    Args:
        mode: norm, value or adaptive.
        limit: in units of the gradient, in (0, inf); with adaptive a share of the weights' norm, below 1, in the paper
            0.01 to 0.16.
    """

    MEMBER_VALUES: ClassVar[tuple[str, ...]] = ("limit",)

    def __init__(self, mode: Literal["norm", "value", "adaptive"], limit: Positive) -> None:
        if mode == "adaptive" and limit >= 1:
            raise ConfigError(f"regularizer.gradient_clip.limit must be in (0, 1) with mode=adaptive, where it is a "
                              f"share of the weights' norm, got {limit}; use 0.01")
        self.mode = mode
        self.limit = limit

    def on_gradient(self, params: Sequence[Tensor], norm: Tensor, moment: Moment) -> None:
        """Scale `.grad` of the parameters [R, ...] in place; a gradient within the bound keeps its bits."""
        from dlx.core.members import per_member

        for param in params:
            if param.grad is not None:
                if self.mode == "value":
                    limit = per_member(self.limit, param.grad)
                    param.grad.clamp_(-limit, limit)  # type: ignore[arg-type]
                else:
                    factor = self._factor(norm) if self.mode == "norm" else self._unit_factors(param)
                    param.grad.mul_(per_member(factor, param.grad))

    def _factor(self, norm: Tensor) -> Tensor:
        # As torch divides a number by a tensor; a tensor of members' limits would be divided otherwise.
        return (norm.reciprocal() * self.limit).clamp(max=1.0)

    def _unit_factors(self, param: Tensor) -> Tensor:
        """Return a factor for each unit, [R, units], or for each member's vector, [R]."""
        from dlx.core.members import per_member

        assert param.grad is not None
        largest = _unit_norms(param).clamp(min=LEAST_NORM)
        largest = largest * per_member(self.limit, largest)
        return (_unit_norms(param.grad).reciprocal() * largest).clamp(max=1.0)


def _unit_norms(tensor: Tensor) -> Tensor:
    import torch

    units = tensor.flatten(2) if tensor.ndim > 2 else tensor.reshape(len(tensor), -1)
    norms: Tensor = torch.linalg.vector_norm(units, dim=-1)
    return norms
