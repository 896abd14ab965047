"""Residual network for small images. B batch, C channels, H height, W width, K outputs."""

from __future__ import annotations

from typing import Annotated, ClassVar

from torch import Tensor, nn

from dlx.core.errors import ConfigError
from dlx.core.images import check_images
from dlx.core.layers import ACTIVATIONS, Activation, Dropout, Init, Norm, initialize
from dlx.core.ranges import Positive, Range, Rate, Width
from dlx.core.residual import Residual, convolution

KERNEL = 3
Blocks = Annotated[int, Range("[1, 32]")]
Stages = Annotated[int, Range("[1, 6]")]


class ResNet(nn.Module):
    """ResNet of He, Zhang, Ren and Sun 2016 (section 4.2), for images of 32×32 and the like.

    A 3×3 convolution; `stages` stages of `depth` residual blocks, the first with `width` channels, every further one
    with twice the channels at half the height and width; global mean; linear head. It has 2 · stages · depth + 2 layers
    with weights: width=16 stages=3 is their ResNet-20, -32, -44, -56 for depth 3, 5, 7, 9; width=64 stages=4 depth=2
    has the blocks of ResNet-18. A shortcut whose shape changes is a 1×1 convolution with normalization (their option
    B). Deep networks with stochastic depth (Huang, Sun, Liu, Sedra and Weinberger 2016) leave out block l of L with
    probability l / L · stochastic_depth_rate.

    Args:
        input_shape: (C, H, W).
        num_outputs: K.
        width: channels of the first stage.
        depth: residual blocks of a stage, at most 32.
        stages: at most 6.
        activation: in each block.
        norm: after each convolution, "layer" over channels and pixels; without one convolutions have a bias.
        skip: false leaves out the shortcuts: their plain network.
        dropout_rate: before the head, in [0, 1).
        stochastic_depth_rate: of the last block, in [0, 1).
        init, init_scale: of the weights, see `dlx.core.layers.initialize`.

    Raises:
        ConfigError: inputs are no images, or too small to halve stages - 1 times; more than 65,536 channels; stochastic
            depth without shortcuts.
    """

    MEMBER_VALUES: ClassVar[tuple[str, ...]] = ("dropout_rate", "stochastic_depth_rate")

    def __init__(self, input_shape: tuple[int, ...], num_outputs: int, width: Width, depth: Blocks, stages: Stages,
                 activation: Activation, norm: Norm, skip: bool, dropout_rate: Rate, stochastic_depth_rate: Rate,
                 init: Init, init_scale: Positive) -> None:
        super().__init__()
        check_images("resnet", input_shape, stages - 1, 2**stages)
        if width * 2 ** (stages - 1) > 65536:
            raise ConfigError(f"model.width · 2^(model.stages - 1) must be at most 65536, got width {width} and "
                              f"stages {stages}")
        if stochastic_depth_rate > 0 and not skip:
            raise ConfigError("model.stochastic_depth_rate leaves blocks out and needs model.skip=true: without "
                              "shortcuts nothing is left")
        channels = width
        layers = [*convolution(input_shape[0], width, KERNEL, 1, norm), ACTIVATIONS[activation]()]
        for index in range(stages * depth):
            stage, block = divmod(index, depth)
            stride = 2 if stage > 0 and block == 0 else 1
            rate = stochastic_depth_rate * (index + 1) / (stages * depth)
            layers.append(basic_block(channels, width * 2**stage, stride, activation, norm, skip, rate))
            channels = width * 2**stage
        self.blocks = nn.Sequential(*layers)
        self.dropout = Dropout(dropout_rate)
        self.head = nn.Linear(channels, num_outputs)
        initialize(self, init, init_scale)

    def forward(self, x: Tensor) -> Tensor:
        """Map images [B, C, H, W] to logits or predictions [B, K]."""
        return self.head(self.dropout(self.blocks(x).mean(dim=(2, 3))))  # type: ignore[no-any-return]


def basic_block(channels: int, out_channels: int, stride: int, activation: Activation, norm: Norm, skip: bool,
                rate: float) -> Residual:
    """Return activation(shortcut(x) + F(x)), F two 3×3 convolutions with normalization and an activation between.

    Args:
        channels, out_channels: of images in and out.
        stride: of the first convolution and the shortcut.
        skip: whether there is a shortcut.
        rate: of stochastic depth.
    """
    residual = nn.Sequential(*convolution(channels, out_channels, KERNEL, stride, norm), ACTIVATIONS[activation](),
                             *convolution(out_channels, out_channels, KERNEL, 1, norm))
    shortcut: nn.Module | None = None
    if skip:
        is_same = channels == out_channels and stride == 1
        shortcut = nn.Identity() if is_same else nn.Sequential(*convolution(channels, out_channels, 1, stride, norm))
    return Residual(residual, shortcut, ACTIVATIONS[activation](), rate)
