"""Multilayer perceptron. B batch, D features, C outputs."""

from __future__ import annotations

import math
from typing import ClassVar

from torch import Tensor, nn

from dlx.core.layers import ACTIVATIONS, Activation, Dropout, Init, Norm, initialize, norm_layer
from dlx.core.ranges import Depth, Rate, Width


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
        init: of the weights, see `dlx.core.layers.initialize`.
    """

    MEMBER_VALUES: ClassVar[tuple[str, ...]] = ("dropout_rate",)

    def __init__(self, input_shape: tuple[int, ...], num_outputs: int, width: Width, depth: Depth,
                 activation: Activation, norm: Norm, dropout_rate: Rate, init: Init) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        num_inputs = math.prod(input_shape)
        for _ in range(depth):
            normalize = norm_layer(norm, width, 1)
            layers += [nn.Linear(num_inputs, width), *([] if normalize is None else [normalize]),
                       ACTIVATIONS[activation](), Dropout(dropout_rate)]
            num_inputs = width
        self.layers = nn.Sequential(*layers, nn.Linear(num_inputs, num_outputs))
        initialize(self, init)

    def forward(self, x: Tensor) -> Tensor:
        """Map inputs [B, ...] to logits or predictions [B, C]."""
        return self.layers(x.flatten(1))  # type: ignore[no-any-return]
