"""Bounded norm of the weights of a unit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from dlx.core.ranges import Positive

if TYPE_CHECKING:
    from torch import Tensor


class MaxNorm:
    """After each update, scales the weights into a unit down to the L2 norm max_norm, where they exceed it.

    Source: Srebro and Shraibman, Rank, trace-norm and max-norm, 2005; Srivastava et al., Dropout, 2014, section 5.1.
    The weights into a unit are a row of a matrix, all of an output channel's kernel, or the embedding of a token;
    biases and norm parameters are left alone.

    Args:
        max_norm: in (0, inf).
    """

    MEMBER_VALUES: ClassVar[tuple[str, ...]] = ("max_norm",)

    def __init__(self, max_norm: Positive) -> None:
        self.max_norm = max_norm

    def after_update(self, params: Sequence[Tensor]) -> None:
        """Scale the parameters [R, ...] in place; what is within the bound keeps its bits."""
        import torch

        from dlx.core.members import per_member

        for param in params:
            if param.ndim > 2:
                norms = torch.linalg.vector_norm(param, dim=tuple(range(2, param.ndim)), keepdim=True)
                param.mul_((norms.reciprocal() * per_member(self.max_norm, param)).clamp(max=1.0))
