"""What R members have of a value of each: one number for all of them, or a tensor [R]. N rows of all members."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def of_rows(value: float | Tensor, num_rows: int) -> float | Tensor:
    """Return the value of each row [N], the rows of a member one after the other; one number stays one."""
    return value if isinstance(value, float | int) else value.repeat_interleave(num_rows // len(value))
