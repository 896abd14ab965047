"""Corruption of tables. B rows of D columns."""

from __future__ import annotations

import torch
from torch import Tensor

from dlx.core.augment.draws import whole


def replace_values(rows: Tensor, replaced: Tensor, uniform: Tensor) -> Tensor:
    """Replace some values of rows [B, D] by those of other rows in the same column.

    Source: Bahri, Jiang, Tay and Metzler, SCARF, 2022.

    Args:
        rows: of numbers.
        replaced: bool [B, D].
        uniform: [B, D], numbers in [0, 1) that say which row a value comes from; it may be its own.
    """
    others = rows.gather(0, whole(uniform, len(rows)).to(rows.device))
    return torch.where(replaced.to(rows.device), others, rows)
