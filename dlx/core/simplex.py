"""Nearest probabilities. B batch, C classes."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def onto_simplex(outputs: Tensor) -> Tensor:
    """Return the probabilities [B, C] that are nearest to outputs [B, C] in squared distance.

    They are max(output - t, 0) with the t that makes their sum 1 (Michelot 1986, Journal of Optimization Theory and
    Applications 50; Martins and Astudillo 2016, sparsemax): the largest output stays the largest.
    """
    import torch

    ordered = outputs.sort(dim=1, descending=True).values
    count = torch.arange(1, outputs.shape[1] + 1, device=outputs.device)
    excess = (ordered.cumsum(dim=1) - 1) / count
    kept = (ordered > excess).sum(dim=1, keepdim=True).clamp(min=1)
    return (outputs - excess.gather(1, kept - 1)).clamp(min=0)
