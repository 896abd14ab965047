"""Causal language model. B batch, L tokens, D features, C outputs."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

from dlx.core.attention import Blocks, NormPlacement, NumHeads, Positions, Ratio
from dlx.core.errors import ConfigError
from dlx.core.features import PLURALS
from dlx.core.layers import Activation, Init, initialize
from dlx.core.ranges import Depth, Positive, Rate, Width
from dlx.core.types import PADDING, PER_POSITION, Kind, Layout


class GPT(nn.Module):
    """Tokens through blocks of attention of which each sees the tokens before it and itself alone; a linear head.

    Source: Radford et al., Language models are unsupervised multitask learners, 2019. Where one answer is asked of a
    whole text, it is that at its last token. Embeddings start as normal draws of variance 1 / D.

    Args:
        input_shape: (L,).
        num_outputs: C.
        layout: of inputs.
        kind: of the task.
        vocabulary_size: number of different tokens.
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
        tie_weights: whether the head, without biases, has the weights of the embeddings (Press and Wolf, Using the
            output embedding to improve language models, 2017); outputs are then the tokens.
        init: of the weights of linear layers, see `dlx.core.layers.initialize`; a tied head has those of embeddings.
        init_scale: what these are then multiplied with, in (0, inf).

    Raises:
        ConfigError: inputs are no tokens, or tied weights are asked for where outputs are not the tokens; see also
            `dlx.core.attention.Blocks`.
    """

    MEMBER_VALUES: ClassVar[tuple[str, ...]] = ("dropout_rate", "stochastic_depth_rate")

    def __init__(self, input_shape: tuple[int, ...], num_outputs: int, layout: Layout, kind: Kind, vocabulary_size: int,
                 width: Width, depth: Depth, num_heads: NumHeads, feedforward_ratio: Ratio, positions: Positions,
                 norm_placement: NormPlacement, activation: Activation, dropout_rate: Rate,
                 stochastic_depth_rate: Rate, tie_weights: bool, init: Init, init_scale: Positive) -> None:
        super().__init__()
        if layout != "tokens":
            raise ConfigError(f"model=gpt takes tokens, not {PLURALS[layout]}; use model=transformer or model=mlp")
        if tie_weights and num_outputs != vocabulary_size:
            raise ConfigError(f"model.tie_weights=true needs outputs that are the tokens, and there are {num_outputs} "
                              f"of {vocabulary_size} tokens; set model.tie_weights=false")
        self.every_token = kind in PER_POSITION
        self.embeddings = nn.Embedding(vocabulary_size, width)
        nn.init.normal_(self.embeddings.weight, std=width**-0.5)
        self.blocks = Blocks(input_shape[0], width, depth, num_heads, feedforward_ratio, positions, norm_placement,
                             activation, dropout_rate, stochastic_depth_rate, is_causal=True)
        self.head = nn.Linear(width, num_outputs, bias=not tie_weights)
        initialize(self, init, init_scale)
        if tie_weights:
            self.head.weight = self.embeddings.weight

    def forward(self, x: Tensor) -> Tensor:
        """Map tokens [B, L] to logits [B, L, C] of every token, or to logits or predictions [B, C] of the last."""
        found = self.blocks(self.embeddings(x), None)
        if self.every_token:
            return self.head(found)  # type: ignore[no-any-return]
        last = (x != PADDING).sum(dim=1).clamp(min=1) - 1
        return self.head(found[torch.arange(x.shape[0], device=x.device), last])  # type: ignore[no-any-return]
