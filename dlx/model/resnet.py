"""Residual network for small images. B batch, C channels, H height, W width, K outputs."""

from __future__ import annotations

from typing import Annotated, ClassVar

from torch import Tensor, nn

from dlx.core.errors import ConfigError
from dlx.core.layers import ACTIVATIONS, Activation, Dropout, Init, initialize
from dlx.core.ranges import Range, Rate, Width

KERNEL = 3
STAGES = 3
Blocks = Annotated[int, Range("[1, 32]")]


class ResNet(nn.Module):
    """ResNet of He, Zhang, Ren and Sun 2016 (section 4.2), for images of 32×32 and the like.

    A 3×3 convolution; three stages of `depth` residual blocks with width, 2·width and 4·width channels, the second and
    third halving height and width; global mean; linear head. Depth n gives 6n + 2 layers with weights: n = 3 is
    ResNet-20. A shortcut whose shape changes is a 1×1 convolution with batch normalization (their option B).

    Args:
        input_shape: (C, H, W).
        num_outputs: K.
        width: channels of the first stage.
        depth: residual blocks of a stage, at most 32.
        activation: in each block.
        dropout_rate: before the head, in [0, 1).
        init: of the weights, see `dlx.core.layers.initialize`.

    Raises:
        ConfigError: inputs are no images, or too small to halve twice.
    """

    MEMBER_VALUES: ClassVar[tuple[str, ...]] = ("dropout_rate",)

    def __init__(self, input_shape: tuple[int, ...], num_outputs: int, width: Width,
                 depth: Blocks, activation: Activation, dropout_rate: Rate, init: Init) -> None:
        super().__init__()
        if len(input_shape) != 3:
            raise ConfigError(f"model=resnet needs images (C, H, W), got rows of shape {tuple(input_shape)}; "
                              f"use model=mlp or model=linear for tables")
        if min(input_shape[1:]) < 2**STAGES:
            raise ConfigError(f"model=resnet halves images twice and needs at least {2**STAGES}×{2**STAGES} pixels, "
                              f"got {input_shape[1]}×{input_shape[2]}; use model=cnn")
        channels = width
        layers: list[nn.Module] = [*_normalized(input_shape[0], width, KERNEL, 1), ACTIVATIONS[activation]()]
        for stage in range(STAGES):
            for block in range(depth):
                stride = 2 if stage > 0 and block == 0 else 1
                layers.append(Residual(channels, width * 2**stage, stride, activation))
                channels = width * 2**stage
        self.blocks = nn.Sequential(*layers)
        self.dropout = Dropout(dropout_rate)
        self.head = nn.Linear(channels, num_outputs)
        initialize(self, init)

    def forward(self, x: Tensor) -> Tensor:
        """Map images [B, C, H, W] to logits or predictions [B, K]."""
        return self.head(self.dropout(self.blocks(x).mean(dim=(2, 3))))  # type: ignore[no-any-return]


class Residual(nn.Module):
    """activation(shortcut(x) + F(x)), F two 3×3 convolutions with batch normalization.

    Args:
        channels, out_channels: of images in and out.
        stride: of the first convolution and the shortcut.
        activation: between the convolutions and after the sum.
    """

    def __init__(self, channels: int, out_channels: int, stride: int, activation: Activation) -> None:
        super().__init__()
        self.residual = nn.Sequential(*_normalized(channels, out_channels, KERNEL, stride), ACTIVATIONS[activation](),
                                      *_normalized(out_channels, out_channels, KERNEL, 1))
        is_same = channels == out_channels and stride == 1
        self.shortcut = nn.Identity() if is_same else nn.Sequential(*_normalized(channels, out_channels, 1, stride))
        self.activation = ACTIVATIONS[activation]()

    def forward(self, x: Tensor) -> Tensor:
        """Map images [B, channels, H, W] to [B, out_channels, H / stride, W / stride]."""
        return self.activation(self.shortcut(x) + self.residual(x))  # type: ignore[no-any-return]


def _normalized(channels: int, out_channels: int, kernel: int, stride: int) -> tuple[nn.Module, nn.Module]:
    convolution = nn.Conv2d(channels, out_channels, kernel, stride, padding=kernel // 2, bias=False)
    return convolution, nn.BatchNorm2d(out_channels)
