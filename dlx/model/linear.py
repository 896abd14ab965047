"""Linear model. B batch, D features, C outputs."""

from __future__ import annotations

import math

from torch import Tensor, nn

from dlx.core.layers import Init, initialize
from dlx.core.ranges import Positive


class Linear(nn.Module):
    """One linear map of the flattened input: softmax regression, or least squares under mse.

    Args:
        input_shape: shape of one input.
        num_outputs: C.
        init, init_scale: of the weights, see `dlx.core.layers.initialize`.
    """

    def __init__(self, input_shape: tuple[int, ...], num_outputs: int, init: Init, init_scale: Positive) -> None:
        super().__init__()
        self.head = nn.Linear(math.prod(input_shape), num_outputs)
        initialize(self, init, init_scale)

    def forward(self, x: Tensor) -> Tensor:
        """Map inputs [B, ...] to logits or predictions [B, C]."""
        return self.head(x.flatten(1))  # type: ignore[no-any-return]
