"""Window over the last tokens. B batch, L tokens, K tokens of a window, D features, C outputs."""

from __future__ import annotations

from typing import Annotated, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as f

from dlx.core.errors import ConfigError
from dlx.core.layers import Activation, Init, Norm, hidden_layers, initialize
from dlx.core.ranges import Depth, Positive, Range, Rate, Width
from dlx.core.types import PADDING, PER_POSITION, Kind, Layout

Context = Annotated[int, Range("[1, 1024]")]


class Window(nn.Module):
    """The embeddings of a token and of the ones before it, side by side, through a multilayer perceptron.

    Source: Bengio, Ducharme, Vincent and Jauvin, A neural probabilistic language model, 2003, without the direct
    connections. Before a text stands padding. Where one answer is asked of a whole text, it is that at its last token;
    with a context as long as the text, this is a perceptron on all of its embeddings. Embeddings start as normal draws
    of variance 1 / embedding_width.

    Args:
        input_shape: (L,).
        num_outputs: C.
        layout: of inputs.
        kind: of the task.
        vocabulary_size: number of different tokens.
        context: K, tokens of a window, the current one among them, in [1, 1024].
        embedding_width: features of a token.
        width: units of a hidden layer.
        depth: number of hidden layers, at least 1.
        activation: after each hidden layer.
        norm: before each activation; "batch" is over the examples and all of their positions, padding among them.
        dropout_rate: after each activation, in [0, 1).
        init, init_scale: of the weights of linear layers, see `dlx.core.layers.initialize`.

    Raises:
        ConfigError: inputs are no tokens.
    """

    MEMBER_VALUES: ClassVar[tuple[str, ...]] = ("dropout_rate",)

    def __init__(self, input_shape: tuple[int, ...], num_outputs: int, layout: Layout, kind: Kind, vocabulary_size: int,
                 context: Context, embedding_width: Width, width: Width, depth: Depth, activation: Activation,
                 norm: Norm, dropout_rate: Rate, init: Init, init_scale: Positive) -> None:
        super().__init__()
        if layout != "tokens":
            raise ConfigError(f"model=window takes tokens, not inputs of layout {layout}; use model=mlp or "
                              f"model=linear")
        self.every_token = kind in PER_POSITION
        self.context = context
        self.embeddings = nn.Embedding(vocabulary_size, embedding_width)
        nn.init.normal_(self.embeddings.weight, std=embedding_width**-0.5)
        layers = hidden_layers(context * embedding_width, width, depth, activation, norm, dropout_rate)
        self.layers = nn.Sequential(*layers, nn.Linear(width, num_outputs))
        initialize(self, init, init_scale)

    def forward(self, x: Tensor) -> Tensor:
        """Map tokens [B, L] to logits [B, L, C] of every token, or to logits or predictions [B, C] of the last."""
        before = f.pad(x, (self.context - 1, 0), value=PADDING)
        if not self.every_token:
            last = (x != PADDING).sum(dim=1, keepdim=True).clamp(min=1) - 1
            tokens = before.gather(1, last + torch.arange(self.context, device=x.device))
            return self.layers(self.embeddings(tokens).flatten(1))  # type: ignore[no-any-return]
        windows = self.embeddings(before).unfold(1, self.context, 1)
        # One row for each token: units are then those of the hidden layer, wherever they are counted.
        return self.layers(windows.flatten(0, 1).flatten(1)).unflatten(0, x.shape)  # type: ignore[no-any-return]
