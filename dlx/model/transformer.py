"""Transformer encoder. B batch, L positions, D features, C outputs."""

from __future__ import annotations

import math
from typing import Annotated, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as f

from dlx.core.attention import Blocks, NormPlacement, NumHeads, Positions, Ratio
from dlx.core.errors import ConfigError
from dlx.core.features import PLURALS
from dlx.core.layers import Activation, Init, initialize
from dlx.core.ranges import Depth, Positive, Range, Rate, Width
from dlx.core.types import PADDING, PER_POSITION, Kind, Layout

PatchSize = Annotated[int, Range("[1, 256]")]


class Transformer(nn.Module):
    """A sequence through blocks of attention and perceptrons; the mean over its positions, and a linear head.

    Source: Vaswani et al., Attention is all you need, 2017, the encoder. The sequence is a text's tokens, a series, or
    the patches of an image (Dosovitskiy et al., An image is worth 16×16 words, 2021), zeros added at the right and
    below where they do not fill it. What comes after the end of a text or series is not seen, and does not count in
    the mean. A text that is empty is read as one token of padding. Embeddings of tokens start as normal draws of
    variance 1 / D.

    Args:
        input_shape: (L,) of tokens, (L, features) of series, (channels, height, width) of images.
        num_outputs: C.
        layout: of inputs.
        kind: of the task.
        vocabulary_size: number of different tokens.
        next_token: whether the targets are the tokens after each one.
        patch_size: pixels of the side of a patch.
        width: D.
        depth: number of blocks.
        num_heads: of attention; they share D out among them.
        feedforward_ratio: hidden units of a block's perceptron for each feature.
        positions: what is known of them: a learned vector or sinusoids are added, or queries and keys are turned
            (rotary), so that attention depends on distances alone.
        norm_placement: of layer normalization: before each residual branch, after each sum, or nowhere.
        activation: of the perceptrons.
        dropout_rate: on the embeddings and on each residual branch, in [0, 1).
        stochastic_depth_rate: of leaving out the last block, in [0, 1); it grows linearly up to there.
        init: of the weights of linear layers, see `dlx.core.layers.initialize`.
        init_scale: what these are then multiplied with, in (0, inf).

    Raises:
        ConfigError: inputs are a table, every position of an image wants an answer, or targets are next tokens, which
            an encoder sees; see also `dlx.core.attention.Blocks`.
    """

    MEMBER_VALUES: ClassVar[tuple[str, ...]] = ("dropout_rate", "stochastic_depth_rate")

    def __init__(self, input_shape: tuple[int, ...], num_outputs: int, layout: Layout, kind: Kind, vocabulary_size: int,
                 next_token: bool, patch_size: PatchSize, width: Width, depth: Depth, num_heads: NumHeads,
                 feedforward_ratio: Ratio, positions: Positions, norm_placement: NormPlacement, activation: Activation,
                 dropout_rate: Rate, stochastic_depth_rate: Rate, init: Init, init_scale: Positive) -> None:
        super().__init__()
        _check(layout, kind, next_token)
        self.layout = layout
        self.every_position = kind in PER_POSITION
        num_positions = input_shape[0]
        if layout == "tokens":
            self.embed: nn.Module = nn.Embedding(vocabulary_size, width)
            nn.init.normal_(self.embed.weight, std=width**-0.5)
        elif layout == "series":
            self.embed = nn.Linear(input_shape[1], width)
        else:
            self.embed = Patches(input_shape[0], patch_size, width)
            num_positions = math.prod(-(-size // patch_size) for size in input_shape[1:])
        self.blocks = Blocks(num_positions, width, depth, num_heads, feedforward_ratio, positions, norm_placement,
                             activation, dropout_rate, stochastic_depth_rate, is_causal=False)
        self.head = nn.Linear(width, num_outputs)
        initialize(self, init, init_scale)

    def forward(self, x: Tensor) -> Tensor:
        """Map inputs [B, ...] to logits or predictions [B, C], or [B, L, C] of every position."""
        is_there = self.is_there(x)
        found = self.blocks(self.embed(x), is_there)
        if self.every_position:
            return self.head(found)  # type: ignore[no-any-return]
        if is_there is None:
            return self.head(found.mean(dim=1))  # type: ignore[no-any-return]
        weights = is_there.unsqueeze(2).to(found)
        return self.head((found * weights).sum(dim=1) / weights.sum(dim=1))  # type: ignore[no-any-return]

    def is_there(self, x: Tensor) -> Tensor | None:
        """Say which positions come before the end, [B, L]; None where nothing has one. The first always does."""
        if self.layout == "image":
            return None
        there = x[..., -1] != 0 if self.layout == "series" else x != PADDING
        return there | (torch.arange(there.shape[1], device=x.device) == 0)


class Patches(nn.Module):
    """Squares of an image, row by row, each mapped to D features.

    Args:
        channels: of the image.
        size: P, pixels of the side of a square.
        width: D.
    """

    def __init__(self, channels: int, size: int, width: int) -> None:
        super().__init__()
        self.size = size
        self.linear = nn.Linear(channels * size**2, width)

    def forward(self, x: Tensor) -> Tensor:
        """Map images [B, channels, height, width] to [B, ceil(height / P) · ceil(width / P), D]."""
        below, right = (-size % self.size for size in x.shape[2:])
        filled = f.pad(x, (0, right, 0, below))
        return self.linear(f.pixel_unshuffle(filled, self.size).flatten(2).mT)  # type: ignore[no-any-return]


def _check(layout: Layout, kind: Kind, next_token: bool) -> None:
    if layout not in ("image", "series", "tokens"):
        raise ConfigError(f"model=transformer takes images, series and tokens, not {PLURALS[layout]}; use model=mlp or "
                          f"model=linear")
    if layout == "image" and kind in PER_POSITION:
        raise ConfigError("model=transformer gives one answer for a whole image, and here every position wants one; "
                          "make series of the images")
    if next_token:
        raise ConfigError("model=transformer sees a whole text at once, so that it would read the tokens that it is to "
                          "tell; use model=gpt")
