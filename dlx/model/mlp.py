"""Multilayer perceptron. B batch, D features, C outputs."""

from __future__ import annotations

import math
from typing import ClassVar

from torch import Tensor, nn

from dlx.core.layers import Activation, Init, Norm, hidden_layers, initialize
from dlx.core.ranges import Depth, Positive, Rate, Width


class MLP(nn.Module):
    """`depth` hidden layers of `width` units, each linear, normalization, activation, dropout; then a linear head.

    Args:
        input_shape: shape of one input; it is flattened to D.
        num_outputs: C.
        width: units of a hidden layer.
        depth: number of hidden layers, at least 1.
        activation: after each hidden layer.
        norm: before each activation.
        dropout_rate: after each activation, in [0, 1).
        init, init_scale: of the weights, see `dlx.core.layers.initialize`.
    """

    MEMBER_VALUES: ClassVar[tuple[str, ...]] = ("dropout_rate",)

    def __init__(self, input_shape: tuple[int, ...], num_outputs: int, width: Width, depth: Depth,
                 activation: Activation, norm: Norm, dropout_rate: Rate, init: Init, init_scale: Positive) -> None:
        super().__init__()
        layers = hidden_layers(math.prod(input_shape), width, depth, activation, norm, dropout_rate)
        self.layers = nn.Sequential(*layers, nn.Linear(width, num_outputs))
        initialize(self, init, init_scale)

    def forward(self, x: Tensor) -> Tensor:
        """Map inputs [B, ...] to logits or predictions [B, C]."""
        return self.layers(x.flatten(1))  # type: ignore[no-any-return]
