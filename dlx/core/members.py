"""Values of R members beside what they are of. R members, B batch."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def per_member(values: float | Tensor, like: Tensor) -> float | Tensor:
    """Give values [R], or [R, ...] of the first axes, the axes of a tensor [R, ...]; a number stays one."""
    if isinstance(values, float | int):
        return values
    return values.to(like).view(*values.shape, *[1] * (like.ndim - values.ndim))


def per_example(values: float | Tensor, like: Tensor) -> float | Tensor:
    """Repeat values [R] for each member's examples, with the axes of a tensor [R·B, ...]; a number stays one."""
    if isinstance(values, float | int):
        return values
    return per_member(values.repeat_interleave(len(like) // len(values)), like)
