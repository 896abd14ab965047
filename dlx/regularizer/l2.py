"""L2 penalty."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from dlx.core.penalty import weight_sum
from dlx.core.ranges import NonNegative

if TYPE_CHECKING:
    from torch import Tensor


class L2:
    """Adds strength/2 · Σ w² over weights, biases and norm parameters excepted, to the minimised loss.

    Source: Krogh and Hertz, A simple weight decay can improve generalization, 1992. Coupled: under Adam it is rescaled
    like the rest of the gradient, unlike adamw's weight_decay.

    Args:
        strength: in [0, inf).
    """

    MEMBER_VALUES: ClassVar[tuple[str, ...]] = ("strength",)

    def __init__(self, strength: NonNegative) -> None:
        self.strength = strength

    def penalty(self, params: Sequence[Tensor]) -> Tensor:
        """Return the penalty [R]; parameters [R, ...] with fewer than two axes of their own are left out."""
        import torch

        return 0.5 * self.strength * weight_sum(params, torch.square)
