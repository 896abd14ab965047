"""Elastic net penalty."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from dlx.core.penalty import weight_sum
from dlx.core.ranges import NonNegative, Probability

if TYPE_CHECKING:
    from torch import Tensor


class Elastic:
    """Adds strength · Σ (l1_ratio · |w| + (1 - l1_ratio)/2 · w²) over weights, biases and norm parameters excepted.

    Source: Zou and Hastie, Regularization and variable selection via the elastic net, 2005, with scikit-learn's
    arguments. The gradient of |w| is 0 at 0.

    Args:
        strength: in [0, inf).
        l1_ratio: the share of l1, in [0, 1]; 0 is l2, 1 is l1.
    """

    MEMBER_VALUES: ClassVar[tuple[str, ...]] = ("strength", "l1_ratio")

    def __init__(self, strength: NonNegative, l1_ratio: Probability) -> None:
        self.strength = strength
        self.l1_ratio = l1_ratio

    def penalty(self, params: Sequence[Tensor]) -> Tensor:
        """Return the penalty [R]; parameters [R, ...] with fewer than two axes of their own are left out."""
        import torch

        absolute, squared = weight_sum(params, torch.abs), weight_sum(params, torch.square)
        return self.strength * (self.l1_ratio * absolute + 0.5 * (1 - self.l1_ratio) * squared)
