"""Residual network of nine layers, quick to train. B batch, C channels, H height, W width, K outputs."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor, nn

from dlx.core.errors import ConfigError
from dlx.core.images import check_images
from dlx.core.layers import ACTIVATIONS, Activation, Dropout, Init, Norm, initialize
from dlx.core.ranges import Positive, Rate, Width
from dlx.core.residual import Residual, convolution

KERNEL = 3
STAGES = 3
# The middle stage has no residual block.
RESIDUAL = (0, 2)


class ResNet9(nn.Module):
    """ResNet-9 of Page, How to train your ResNet, 2018, which won DAWNBench's race on CIFAR-10.

    A 3×3 convolution to `width` channels; three stages, each a 3×3 convolution to twice the channels and 2×2
    max-pooling, the first and the last with a residual block of two more convolutions; global maximum; linear head.
    Every convolution has its normalization and activation, in a residual block before the sum. His scaling of the
    logits by 1/8 is left out.

    Args:
        input_shape: (C, H, W).
        num_outputs: K.
        width: channels of the first convolution; the last has 8 · width.
        activation: after each convolution.
        norm: after each convolution, "layer" over channels and pixels; without one convolutions have a bias.
        skip: false leaves out the shortcuts.
        dropout_rate: before the head, in [0, 1).
        init, init_scale: of the weights, see `dlx.core.layers.initialize`.

    Raises:
        ConfigError: inputs are no images, or too small to halve three times; more than 65,536 channels.
    """

    MEMBER_VALUES: ClassVar[tuple[str, ...]] = ("dropout_rate",)

    def __init__(self, input_shape: tuple[int, ...], num_outputs: int, width: Width, activation: Activation, norm: Norm,
                 skip: bool, dropout_rate: Rate, init: Init, init_scale: Positive) -> None:
        super().__init__()
        check_images("resnet9", input_shape, STAGES, 2**STAGES)
        if width * 2**STAGES > 65536:
            raise ConfigError(f"model.width must be at most {65536 // 2**STAGES} for model=resnet9, got {width}")

        def block(channels: int, out_channels: int) -> list[nn.Module]:
            return [*convolution(channels, out_channels, KERNEL, 1, norm), ACTIVATIONS[activation]()]

        layers = block(input_shape[0], width)
        for stage in range(STAGES):
            channels = width * 2 ** (stage + 1)
            layers += [*block(channels // 2, channels), nn.MaxPool2d(2)]
            if stage in RESIDUAL:
                residual = nn.Sequential(*block(channels, channels), *block(channels, channels))
                layers.append(Residual(residual, nn.Identity() if skip else None, nn.Identity(), 0.0))
        self.blocks = nn.Sequential(*layers)
        self.dropout = Dropout(dropout_rate)
        self.head = nn.Linear(width * 2**STAGES, num_outputs)
        initialize(self, init, init_scale)

    def forward(self, x: Tensor) -> Tensor:
        """Map images [B, C, H, W] to logits or predictions [B, K]."""
        return self.head(self.dropout(self.blocks(x).amax(dim=(2, 3))))  # type: ignore[no-any-return]
