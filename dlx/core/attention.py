"""Attention, and the blocks of transformers that it is part of. B batch, L positions, D features, H heads."""

from __future__ import annotations

from typing import Annotated, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as f

from dlx.core.errors import ConfigError
from dlx.core.layers import ACTIVATIONS, Activation, Dropout, StochasticDepth
from dlx.core.ranges import Range

Positions = Literal["learned", "sinusoidal", "rotary", "none"]
NormPlacement = Literal["pre", "post", "none"]
NumHeads = Annotated[int, Range("[1, 1024]")]
Ratio = Annotated[int, Range("[1, 64]")]
# Wavelengths of positions go from 2π to 2π times this (Vaswani et al. 2017).
LONGEST = 10000.0


class Blocks(nn.Module):
    """Positions, dropout, `depth` blocks, and with norm_placement=pre a layer normalization after the last.

    Source: Vaswani et al., Attention is all you need, 2017; pre-norm of Xiong et al., On layer normalization in the
    transformer architecture, 2020. Learned positions start as normal draws of variance 1 / D. Block number l of
    `depth` is dropped at stochastic_depth_rate · l / depth (Huang et al. 2016).

    Args:
        num_positions: L at most.
        width: D.
        depth: number of blocks.
        num_heads: H, which divides D; of rotary positions D / H is even.
        feedforward_ratio: hidden units of a block's perceptron for each feature.
        positions: learned vectors, or sines and cosines, are added to the inputs; or queries and keys are turned by
            angles that grow with the position, so that attention knows of distances alone (Su et al., RoFormer, 2021).
        norm_placement: of layer normalization, before each residual branch (pre), after each sum (post), or none.
        activation: of the perceptrons.
        dropout_rate: on the inputs and on each residual branch, in [0, 1).
        stochastic_depth_rate: of the last block, in [0, 1).
        is_causal: whether a position sees those before it and itself alone.

    Raises:
        ConfigError: num_heads does not divide width, or heads are of an odd width that cannot be turned.
    """

    def __init__(self, num_positions: int, width: int, depth: int, num_heads: int, feedforward_ratio: int,
                 positions: Positions, norm_placement: NormPlacement, activation: Activation, dropout_rate: float,
                 stochastic_depth_rate: float, is_causal: bool) -> None:
        super().__init__()
        _check_heads(width, num_heads, positions)
        self.is_sinusoidal = positions == "sinusoidal"
        self.places = nn.Embedding(num_positions, width) if positions == "learned" else None
        if self.places is not None:
            nn.init.normal_(self.places.weight, std=width**-0.5)
        self.dropout = Dropout(dropout_rate)
        self.layers = nn.ModuleList(
            Block(SelfAttention(width, num_heads, positions == "rotary", is_causal),
                  FeedForward(width, feedforward_ratio * width, activation), width, norm_placement, dropout_rate,
                  stochastic_depth_rate * number / depth) for number in range(1, depth + 1))
        self.norm = nn.LayerNorm(width) if norm_placement == "pre" else nn.Identity()

    def forward(self, x: Tensor, is_there: Tensor | None) -> Tensor:
        """Map x [B, L, D] to the same shape; is_there [B, L] says which positions are some, None that all are."""
        if self.places is not None:
            # For every example: members of a fused run have tables of their own.
            x = x + self.places(torch.arange(x.shape[1], device=x.device).expand(x.shape[:2]))
        if self.is_sinusoidal:
            x = x + sinusoids(x)
        x = self.dropout(x)
        for layer in self.layers:
            x = layer(x, is_there)
        return self.norm(x)  # type: ignore[no-any-return]


class Block(nn.Module):
    """Attention, then a perceptron, each a residual branch.

    Args:
        attention, feedforward: map [B, L, D] to the same shape.
        width, norm_placement, dropout_rate, stochastic_depth_rate: of both, see `Residual`.
    """

    def __init__(self, attention: SelfAttention, feedforward: FeedForward, width: int, norm_placement: NormPlacement,
                 dropout_rate: float, stochastic_depth_rate: float) -> None:
        super().__init__()
        self.attention = Residual(attention, width, norm_placement, dropout_rate, stochastic_depth_rate)
        self.feedforward = Residual(feedforward, width, norm_placement, dropout_rate, stochastic_depth_rate)

    def forward(self, x: Tensor, is_there: Tensor | None) -> Tensor:
        """Map x [B, L, D] to the same shape; is_there [B, L] says which positions are some."""
        return self.feedforward(self.attention(x, is_there))  # type: ignore[no-any-return]


class Residual(nn.Module):
    """x + branch(norm(x)), or norm(x + branch(x)), or x + branch(x).

    Args:
        branch: maps [B, L, D] to the same shape.
        width: D.
        norm_placement: pre, post, or none.
        dropout_rate: of what the branch adds, by feature.
        stochastic_depth_rate: of what the branch adds, by example.
    """

    def __init__(self, branch: nn.Module, width: int, norm_placement: NormPlacement, dropout_rate: float,
                 stochastic_depth_rate: float) -> None:
        super().__init__()
        self.is_pre = norm_placement == "pre"
        self.norm = nn.Identity() if norm_placement == "none" else nn.LayerNorm(width)
        self.branch = branch
        self.dropout = nn.Sequential(Dropout(dropout_rate), StochasticDepth(stochastic_depth_rate))

    def forward(self, x: Tensor, *more: Tensor | None) -> Tensor:
        """Map x [B, L, D] to the same shape; the rest is the branch's."""
        if self.is_pre:
            return x + self.dropout(self.branch(self.norm(x), *more))  # type: ignore[no-any-return]
        return self.norm(x + self.dropout(self.branch(x, *more)))  # type: ignore[no-any-return]


class SelfAttention(nn.Module):
    """softmax(Q·Kᵀ / √d)·V in H heads of width d = D / H, then a linear map of all heads together.

    Source: Vaswani et al. 2017, section 3.2, with biases. Attention weights have no dropout of their own, whose draws
    no key reaches.

    Args:
        width: D.
        num_heads: H.
        is_rotary: whether queries and keys are turned by their positions.
        is_causal: whether a position sees those before it and itself alone.
    """

    def __init__(self, width: int, num_heads: int, is_rotary: bool, is_causal: bool) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.is_rotary = is_rotary
        self.is_causal = is_causal
        self.inputs = nn.Linear(width, 3 * width)
        self.outputs = nn.Linear(width, width)

    def forward(self, x: Tensor, is_there: Tensor | None) -> Tensor:
        """Map x [B, L, D] to the same shape; positions that are none are not seen. A causal one sees no end."""
        queries, keys, values = self.inputs(x).unflatten(-1, (3, self.num_heads, -1)).permute(2, 0, 3, 1, 4)
        if self.is_rotary:
            queries, keys = turned(queries), turned(keys)
        mask = None if is_there is None or self.is_causal else is_there[:, None, None]
        seen = f.scaled_dot_product_attention(queries, keys, values, attn_mask=mask, is_causal=self.is_causal)
        return self.outputs(seen.transpose(1, 2).flatten(2))  # type: ignore[no-any-return]


class FeedForward(nn.Module):
    """A perceptron with one hidden layer on each position by itself.

    Args:
        width: D.
        num_hidden: units of the hidden layer.
        activation: of these.
    """

    def __init__(self, width: int, num_hidden: int, activation: Activation) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(width, num_hidden), ACTIVATIONS[activation](),
                                    nn.Linear(num_hidden, width))

    def forward(self, x: Tensor) -> Tensor:
        """Map x [B, L, D] to the same shape."""
        # One row for each position: units are then those of the hidden layer, wherever they are counted.
        return self.layers(x.flatten(0, 1)).view(x.shape)  # type: ignore[no-any-return]


def angles(x: Tensor) -> Tensor:
    """Return position / 10000^(2i / D) for i < D / 2 of x [..., L, D], [L, ceil(D / 2)], in float32 at least."""
    length, width = x.shape[-2:]
    dtype = torch.promote_types(x.dtype, torch.float32)
    frequencies = LONGEST ** (-torch.arange(0, width, 2, dtype=dtype, device=x.device) / width)
    return torch.arange(length, dtype=dtype, device=x.device)[:, None] * frequencies


def sinusoids(x: Tensor) -> Tensor:
    """Return sines and cosines of the angles of x [B, L, D], one after the other, [L, D].

    Source: Vaswani et al. 2017, section 3.5.
    """
    found = angles(x)
    return torch.stack([found.sin(), found.cos()], dim=2).flatten(1)[:, : x.shape[2]].to(x.dtype)


def turned(x: Tensor) -> Tensor:
    """Turn queries or keys [B, H, L, d] by the angles of their positions: feature i with feature i + d / 2.

    The product of a query and a key then depends on the distance of their positions. Source: Su et al. 2021, section
    3.2.2, with features paired as in GPT-NeoX.
    """
    found = angles(x)
    cos, sin = found.cos().to(x.dtype), found.sin().to(x.dtype)
    one, other = x.chunk(2, dim=-1)
    return torch.cat([one * cos - other * sin, other * cos + one * sin], dim=-1)


def _check_heads(width: int, num_heads: int, positions: Positions) -> None:
    if width % num_heads:
        raise ConfigError(f"model.num_heads must divide model.width, got {num_heads} and {width}")
    if positions == "rotary" and width // num_heads % 2:
        raise ConfigError(f"model.positions=rotary turns pairs of features, and heads of model.width / model.num_heads "
                          f"= {width // num_heads} have an odd number; double model.width, or set "
                          f"model.positions=learned")
