"""Absolute error."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from dlx.core.types import Kind

if TYPE_CHECKING:
    from torch import Tensor


class MAE:
    """|prediction - target|, per example, in target units (scaled ones under scale_target). Its minimum is the median.

    The slope at 0 is 0.
    """

    kinds: ClassVar[tuple[Kind, ...]] = ("regression",)

    def __call__(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Map predictions [B, 1] and targets [B] to losses [B]."""
        return (outputs[:, 0] - targets).abs()
