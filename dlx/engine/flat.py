"""Parameters as views into one vector, so that update, gradient norm and weight norm are one operation each."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

# Views begin at multiples of 64 bytes of float32, as matrix products like them; the padding stays zero.
ALIGNMENT = 16


def flatten(params: Sequence[nn.Parameter]) -> nn.Parameter:
    """Move parameters and their gradients into one vector each.

    Args:
        params: of one dtype and device. Afterwards each is a view of the vector, with its `.grad` a view of the
            vector's gradient; a parameter that the loss does not depend on has the gradient 0.

    Returns:
        The vector. Whoever updates it in place, with its gradient, updates the parameters.
    """
    sizes = [-(-param.numel() // ALIGNMENT) * ALIGNMENT for param in params]
    vector = nn.Parameter(torch.zeros(sum(sizes), dtype=params[0].dtype, device=params[0].device))
    vector.grad = torch.zeros_like(vector)
    start = 0
    for param, size in zip(params, sizes, strict=True):
        window = slice(start, start + param.numel())
        vector.data[window] = param.data.reshape(-1)
        param.data = vector.data[window].view(param.shape)
        param.grad = vector.grad[window].view(param.shape)
        start += size
    return vector
