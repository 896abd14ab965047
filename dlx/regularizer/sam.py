"""Sharpness-aware minimization. R members."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from dlx.core.ranges import NonNegative

if TYPE_CHECKING:
    from torch import Tensor

# Against a gradient of 0.
SMALLEST = 1e-12


class SAM:
    """Takes the gradient at w + rho · g / |g|, with the gradient g of the same batch at w and its L2 norm over all.
    Conflicts with: asam.

    Source: Foret, Kleiner, Mobahi and Neyshabur, Sharpness-aware minimization for efficiently improving generalization,
    2021, equation 2. A step costs two passes; the second leaves statistics of batch normalization alone.

    Args:
        rho: in [0, inf).
    """

    MEMBER_VALUES: ClassVar[tuple[str, ...]] = ("rho",)
    CONFLICTS: ClassVar[dict[str, str]] = {"asam": "each takes the gradient elsewhere"}

    def __init__(self, rho: NonNegative) -> None:
        self.rho = rho

    def ascend(self, params: Sequence[Tensor], norm: Tensor) -> None:
        """Move the parameters [R, ...] in place along `.grad`, whose norm of each member is norm [R]."""
        from dlx.core.members import per_member

        scale = self.rho / (norm + SMALLEST)
        for param in params:
            if param.grad is not None:
                param.add_(param.grad * per_member(scale, param))


class ASAM:
    """Takes the gradient at w + rho · T² g / |T g| with T = |w| + eta of each weight: larger weights move further.
    Conflicts with: sam.

    Source: Kwon, Kim, Park and Choi, ASAM: adaptive sharpness-aware minimization, 2021, algorithm 1; T is 1 for biases
    and norm parameters. A step costs two passes; the second leaves statistics of batch normalization alone.

    Args:
        rho: in [0, inf).
        eta: in [0, inf).
    """

    MEMBER_VALUES: ClassVar[tuple[str, ...]] = ("rho", "eta")

    def __init__(self, rho: NonNegative, eta: NonNegative) -> None:
        self.rho = rho
        self.eta = eta

    def ascend(self, params: Sequence[Tensor], norm: Tensor) -> None:
        """Move the parameters [R, ...] in place along `.grad`."""
        import torch

        from dlx.core.members import per_member

        moved = [param for param in params if param.grad is not None]
        scales = [param.abs() + per_member(self.eta, param) if param.ndim > 2 else torch.ones_like(param)
                  for param in moved]
        squares = [(scale * param.grad).flatten(1).square().sum(dim=1)
                   for scale, param in zip(scales, moved, strict=True) if param.grad is not None]
        # One after the other: the order in which a sum over an axis adds up depends on R.
        length = self.rho / (functools.reduce(torch.add, squares).sqrt() + SMALLEST)
        for param, scale in zip(moved, scales, strict=True):
            assert param.grad is not None
            param.add_(scale.square() * param.grad * per_member(length, param))
