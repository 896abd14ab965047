"""Bag of tokens. B batch, L tokens, D features, C outputs."""

from __future__ import annotations

from typing import Annotated, ClassVar

from torch import Tensor, nn

from dlx.core.errors import ConfigError
from dlx.core.layers import Activation, Dropout, Init, Norm, hidden_layers, initialize
from dlx.core.ranges import Positive, Range, Rate, Width
from dlx.core.types import PADDING, PER_POSITION, Kind, Layout

DepthOrNone = Annotated[int, Range("[0, 256]")]


class Bag(nn.Module):
    """The mean of the embeddings of a text's tokens, whatever their order; then hidden layers and a linear head.

    With depth 0 it is fastText's classifier (Joulin, Grave, Bojanowski and Mikolov, Bag of tricks for efficient text
    classification, 2017). Padding does not count. Embeddings start as normal draws of variance 1 / D.

    Args:
        input_shape: (L,).
        num_outputs: C.
        layout: of inputs.
        kind: of the task.
        vocabulary_size: number of different tokens.
        width: D, of embeddings and hidden layers.
        depth: number of hidden layers, in [0, 256].
        activation: after each hidden layer.
        norm: before each activation.
        dropout_rate: on the mean and after each activation, in [0, 1).
        init, init_scale: of the weights of linear layers, see `dlx.core.layers.initialize`.

    Raises:
        ConfigError: inputs are no tokens, or something is asked of every token.
    """

    MEMBER_VALUES: ClassVar[tuple[str, ...]] = ("dropout_rate",)

    def __init__(self, input_shape: tuple[int, ...], num_outputs: int, layout: Layout, kind: Kind, vocabulary_size: int,
                 width: Width, depth: DepthOrNone, activation: Activation, norm: Norm, dropout_rate: Rate, init: Init,
                 init_scale: Positive) -> None:
        super().__init__()
        if layout != "tokens":
            raise ConfigError(f"model=bag takes tokens, not inputs of layout {layout}; use model=mlp or model=linear")
        if kind in PER_POSITION:
            raise ConfigError("model=bag gives one answer for a whole text, and here every token wants one; "
                              "use model=lstm or model=transformer")
        self.embeddings = nn.Embedding(vocabulary_size, width)
        nn.init.normal_(self.embeddings.weight, std=width**-0.5)
        layers = hidden_layers(width, width, depth, activation, norm, dropout_rate)
        self.layers = nn.Sequential(Dropout(dropout_rate), *layers, nn.Linear(width, num_outputs))
        initialize(self, init, init_scale)

    def forward(self, x: Tensor) -> Tensor:
        """Map tokens [B, L] to logits or predictions [B, C]."""
        is_token = (x != PADDING).unsqueeze(2)
        summed = (self.embeddings(x) * is_token).sum(dim=1)
        return self.layers(summed / is_token.sum(dim=1).clamp(min=1))  # type: ignore[no-any-return]
