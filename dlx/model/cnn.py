"""Convolutional network for images. B batch, C channels, H height, W width, K outputs."""

from __future__ import annotations

import math
from typing import Annotated, ClassVar, Literal

from torch import Tensor, nn

from dlx.core.errors import ConfigError
from dlx.core.images import check_images
from dlx.core.layers import ACTIVATIONS, Activation, Dropout, Init, Norm, hidden_layers, initialize, norm_layers
from dlx.core.ranges import Positive, Range, Rate, Width

# The least height and width that are halved.
SMALLEST = 4
POOLINGS: dict[str, type[nn.MaxPool2d | nn.AvgPool2d]] = {"max": nn.MaxPool2d, "mean": nn.AvgPool2d}
Pooling = Literal["max", "mean", "stride", "none"]
Blocks = Annotated[int, Range("[1, 8]")]


class CNN(nn.Module):
    """`depth` blocks of convolution, normalization, activation and 2×2 pooling; then a head.

    Block i has width · 2^i channels. Pooling is left out once an axis is below 4, so that 8×8 and 64×101 images work
    alike.

    Args:
        input_shape: (C, H, W).
        num_outputs: K.
        width: channels of the first block.
        depth: number of blocks, at most 8.
        kernel: height and width of the convolutions, which keep those of the image.
        pooling: "max" or "mean" of 2×2 pixels; "stride" leaves it to the convolution, which then takes every second
            pixel; "none" keeps all of them.
        activation: in each block.
        norm: in each block, before the activation; "layer" is over channels and pixels.
        head: what it sees of the last block: "mean", that of each channel, or "dense", every pixel.
        head_width: units of a hidden layer of the head; null for a linear one.
        dropout_rate: before each linear layer of the head, in [0, 1).
        init, init_scale: of the weights, see `dlx.core.layers.initialize`.

    Raises:
        ConfigError: inputs are no images, or the last block would have more than 65,536 channels.
    """

    MEMBER_VALUES: ClassVar[tuple[str, ...]] = ("dropout_rate",)

    def __init__(self, input_shape: tuple[int, ...], num_outputs: int, width: Width, depth: Blocks,
                 kernel: Literal[1, 3, 5, 7, 9, 11], pooling: Pooling,
                 activation: Activation, norm: Norm, head: Literal["mean", "dense"], head_width: Width | None,
                 dropout_rate: Rate, init: Init, init_scale: Positive) -> None:
        super().__init__()
        check_images("cnn", input_shape)
        if width * 2 ** (depth - 1) > 65536:
            raise ConfigError(f"model.width · 2^(model.depth - 1) must be at most 65536, got width {width} and "
                              f"depth {depth}")
        channels, *size = input_shape
        blocks: list[nn.Module] = []
        for index in range(depth):
            halves = pooling != "none" and min(size) >= SMALLEST
            blocks += _block(channels, width * 2**index, kernel, pooling if halves else "none", activation, norm)
            channels = width * 2**index
            # A convolution counts the pixel left over.
            size = [(axis + (pooling == "stride")) // 2 for axis in size] if halves else size
        self.blocks = nn.Sequential(*blocks)
        self.dropout = Dropout(dropout_rate)
        self.is_dense = head == "dense"
        num_features = channels * math.prod(size) if self.is_dense else channels
        self.head = _head(num_features, num_outputs, head_width, activation, dropout_rate)
        initialize(self, init, init_scale)

    def forward(self, x: Tensor) -> Tensor:
        """Map images [B, C, H, W] to logits or predictions [B, K]."""
        images = self.blocks(x)
        features = images.flatten(1) if self.is_dense else images.mean(dim=(2, 3))
        return self.head(self.dropout(features))  # type: ignore[no-any-return]


def _block(channels: int, out_channels: int, kernel: int, pooling: Pooling, activation: Activation, norm: Norm
           ) -> list[nn.Module]:
    convolve = nn.Conv2d(channels, out_channels, kernel, 2 if pooling == "stride" else 1, padding=kernel // 2)
    return [convolve, *norm_layers(norm, out_channels, 2), ACTIVATIONS[activation](),
            *([POOLINGS[pooling](2)] if pooling in POOLINGS else [])]


def _head(num_features: int, num_outputs: int, width: int | None, activation: Activation, dropout_rate: float
          ) -> nn.Module:
    if width is None:
        return nn.Linear(num_features, num_outputs)
    hidden = hidden_layers(num_features, width, 1, activation, "none", dropout_rate)
    return nn.Sequential(*hidden, nn.Linear(width, num_outputs))
