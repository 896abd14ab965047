"""Inputs as sequences of features, for models that read one position after the other.

B batch, L positions, D features.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from dlx.core.errors import ConfigError
from dlx.core.types import PADDING, Layout


class Sequences(nn.Module):
    """Maps inputs to sequences [B, L, D].

    Tokens become embeddings, which start as normal draws of variance 1 / D. A series stays as it is, its mask one of
    its features. An image is read row by row, from the top: L is its height, D its channels times its width.

    Args:
        option: the model, as typed.
        input_shape: shape of one input.
        layout: of inputs.
        vocabulary_size: number of different tokens; 0 of other inputs.
        embedding_width: D of tokens.

    Raises:
        ConfigError: inputs are a table.
    """

    def __init__(self, option: str, input_shape: tuple[int, ...], layout: Layout, vocabulary_size: int,
                 embedding_width: int) -> None:
        super().__init__()
        if layout not in ("tokens", "series", "image"):
            raise ConfigError(f"model={option} reads tokens, series, or images row by row, and the columns of a "
                              f"{layout} have no order; use model=mlp or model=linear")
        self.layout = layout
        if layout == "tokens":
            self.num_features = embedding_width
            self.embeddings = nn.Embedding(vocabulary_size, embedding_width)
            nn.init.normal_(self.embeddings.weight, std=embedding_width**-0.5)
        else:
            self.num_features = input_shape[0] * input_shape[2] if layout == "image" else input_shape[1]

    def forward(self, x: Tensor) -> Tensor:
        """Map inputs [B, L], [B, L, D] or [B, C, H, W] to sequences [B, L, D]."""
        if self.layout == "tokens":
            return self.embeddings(x)  # type: ignore[no-any-return]
        return x.transpose(1, 2).flatten(2) if self.layout == "image" else x

    def last(self, x: Tensor) -> Tensor:
        """Return the last position [B] of inputs that is not padding; 0 where all are."""
        if self.layout == "image":
            return x.new_full(x.shape[:1], x.shape[2] - 1).long()
        is_real = x != PADDING if self.layout == "tokens" else x[:, :, -1] != 0
        return is_real.sum(dim=1).clamp(min=1) - 1


def at(states: Tensor, place: Tensor) -> Tensor:
    """Return the states [B, D] of sequences [B, L, D] at one position [B] of each."""
    return states.gather(1, place.view(-1, 1, 1).expand(-1, 1, states.shape[2])).squeeze(1)


def backwards(states: Tensor, last: Tensor) -> Tensor:
    """Return sequences [B, L, D] from their last position [B] to the first; padding stays where it is."""
    place = torch.arange(states.shape[1], device=states.device)
    mirrored = last[:, None] - place
    order = torch.where(mirrored >= 0, mirrored, place)
    return states.gather(1, order.unsqueeze(2).expand_as(states))
