"""L1 penalty."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from dlx.core.penalty import weight_sum
from dlx.core.ranges import NonNegative

if TYPE_CHECKING:
    from torch import Tensor


class L1:
    """Adds strength · Σ |w| over weights, biases and norm parameters excepted, to the minimised loss.

    Source: Tibshirani, Regression shrinkage and selection via the lasso, 1996. The gradient is strength · sign(w), 0 at
    0: weights come close to zero, and seldom to it.

    Args:
        strength: in [0, inf).
    """

    MEMBER_VALUES: ClassVar[tuple[str, ...]] = ("strength",)

    def __init__(self, strength: NonNegative) -> None:
        self.strength = strength

    def penalty(self, params: Sequence[Tensor]) -> Tensor:
        """Return the penalty [R]; parameters [R, ...] with fewer than two axes of their own are left out."""
        import torch

        return self.strength * weight_sum(params, torch.abs)
