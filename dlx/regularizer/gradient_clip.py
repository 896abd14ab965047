"""Gradient clipping by norm."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from dlx.core.ranges import Positive

if TYPE_CHECKING:
    from torch import Tensor

    from dlx.core.types import Moment


class GradientClip:
    """g ← g · min(1, max_norm / |g|) with the L2 norm |g| over all parameters.

    Source: Pascanu, Mikolov and Bengio, On the difficulty of training recurrent neural networks, 2013.

    Args:
        max_norm: in (0, inf).
    """

    MEMBER_VALUES: ClassVar[tuple[str, ...]] = ("max_norm",)

    def __init__(self, max_norm: Positive) -> None:
        self.max_norm = max_norm

    def on_gradient(self, params: Sequence[Tensor], norm: Tensor, moment: Moment) -> None:
        """Scale `.grad` of the parameters [R, ...] in place; a gradient within the bound keeps its bits."""
        # As torch divides a number by a tensor; a tensor of members' bounds would be divided otherwise.
        factor = (norm.reciprocal() * self.max_norm).clamp(max=1.0)
        for param in params:
            if param.grad is not None:
                param.grad.mul_(factor.view(-1, *[1] * (param.ndim - 1)))
