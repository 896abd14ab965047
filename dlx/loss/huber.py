"""Huber's loss. R members, B batch."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from dlx.core.members import per_example
from dlx.core.ranges import Positive
from dlx.core.types import Kind

if TYPE_CHECKING:
    from torch import Tensor


class Huber:
    """e² / 2 where |e| ≤ δ, else δ · (|e| - δ / 2), per example; e is prediction minus target.

    Source: Huber, Robust estimation of a location parameter, 1964. Squared near 0, and no steeper than δ, so that
    outliers pull no harder than others.

    Args:
        delta: δ, in the units of e: under scale_target standard deviations of the train targets; in (0, inf).
    """

    kinds: ClassVar[tuple[Kind, ...]] = ("regression",)
    MEMBER_VALUES: ClassVar[tuple[str, ...]] = ("delta",)

    def __init__(self, delta: Positive) -> None:
        self.delta: float | Tensor = delta

    def __call__(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Map predictions [R·B, 1] and targets [R·B] to losses [R·B]."""
        error = (outputs[:, 0] - targets).abs()
        delta = per_example(self.delta, error)
        near = error.clamp(max=delta)
        return near * (error - near / 2)
