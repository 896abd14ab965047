"""Convolutional network for images. B batch, C channels, H height, W width, K outputs."""

from __future__ import annotations

from typing import Annotated, ClassVar

from torch import Tensor, nn

from dlx.core.errors import ConfigError
from dlx.core.layers import ACTIVATIONS, Activation, Dropout, Init, Norm, initialize, norm_layer
from dlx.core.ranges import Range, Rate, Width

KERNEL = 3
Blocks = Annotated[int, Range("[1, 8]")]


class CNN(nn.Module):
    """`depth` blocks of 3×3 convolution, normalization, activation and 2×2 max-pooling; global mean; linear head.

    Block i has width · 2^i channels. Pooling is left out once an axis is below 4, so that 8×8 and 64×101 images work
    alike.

    Args:
        input_shape: (C, H, W).
        num_outputs: K.
        width: channels of the first block.
        depth: number of blocks, at most 8.
        activation: in each block.
        norm: in each block, before the activation; "layer" is over channels and pixels.
        dropout_rate: before the head, in [0, 1).
        init: of the weights, see `dlx.core.layers.initialize`.

    Raises:
        ConfigError: inputs are no images, or the last block would have more than 65,536 channels.
    """

    MEMBER_VALUES: ClassVar[tuple[str, ...]] = ("dropout_rate",)

    def __init__(self, input_shape: tuple[int, ...], num_outputs: int, width: Width, depth: Blocks,
                 activation: Activation, norm: Norm, dropout_rate: Rate, init: Init) -> None:
        super().__init__()
        if len(input_shape) != 3:
            raise ConfigError(f"model=cnn needs images (C, H, W), got rows of shape {tuple(input_shape)}; "
                              f"use model=mlp or model=linear for tables")
        if width * 2 ** (depth - 1) > 65536:
            raise ConfigError(f"model.width · 2^(model.depth - 1) must be at most 65536, got width {width} and "
                              f"depth {depth}")
        channels, *size = input_shape
        blocks: list[nn.Module] = []
        for index in range(depth):
            out_channels = width * 2**index
            normalize = norm_layer(norm, out_channels, 2)
            pool = min(size) >= 4
            blocks += [nn.Conv2d(channels, out_channels, KERNEL, padding=KERNEL // 2),
                       *([] if normalize is None else [normalize]), ACTIVATIONS[activation](),
                       *([nn.MaxPool2d(2)] if pool else [])]
            channels, size = out_channels, [axis // 2 for axis in size] if pool else size
        self.blocks = nn.Sequential(*blocks)
        self.dropout = Dropout(dropout_rate)
        self.head = nn.Linear(channels, num_outputs)
        initialize(self, init)

    def forward(self, x: Tensor) -> Tensor:
        """Map images [B, C, H, W] to logits or predictions [B, K]."""
        features = self.blocks(x).mean(dim=(2, 3))
        return self.head(self.dropout(features))  # type: ignore[no-any-return]
