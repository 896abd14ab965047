"""Squared error."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from dlx.core.types import Kind

if TYPE_CHECKING:
    from torch import Tensor


class MSE:
    """(prediction - target)², per example, in squared target units (scaled ones under scale_target)."""

    kinds: ClassVar[tuple[Kind, ...]] = ("regression",)

    def __call__(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Map predictions [B, 1] and targets [B] to losses [B]."""
        return (outputs[:, 0] - targets).square()
