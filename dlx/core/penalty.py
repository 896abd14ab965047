"""Sums over the weights of models, for penalties. R members."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def weight_sum(params: Sequence[Tensor], term: Callable[[Tensor], Tensor]) -> Tensor:
    """Return Σ term(w) over each member's weights, [R].

    Args:
        params: [R, ...]; those with fewer than two axes of their own, biases and norm parameters, are left out.
        term: maps tensors elementwise.
    """
    import torch

    sums = [term(param.flatten(1)).sum(dim=1) for param in params if param.ndim > 2]
    # One after the other: the order in which a sum over an axis adds up depends on R.
    return functools.reduce(torch.add, sums)
