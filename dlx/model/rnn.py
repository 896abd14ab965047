"""Simple recurrent network. D features, H units, C outputs."""

from __future__ import annotations

import functools
from typing import Literal

from torch import nn

from dlx.core.layers import Init, initialize
from dlx.core.ranges import Depth, Positive, Rate, Width
from dlx.core.recurrent import Recurrent
from dlx.core.sequences import Sequences
from dlx.core.types import Kind, Layout


class RNN(Recurrent):
    """A state that every position changes: h_t = activation(W x_t + b + U h_{t-1} + b').

    Source: Elman, Finding structure in time, 1990.

    See `dlx.core.recurrent.Recurrent` for what is around the layers.

    Args:
        input_shape: (L,) tokens, (L, D) series, or (C, H, W) images, which are read row by row.
        num_outputs: C.
        layout: of inputs.
        kind: of the task.
        vocabulary_size: number of different tokens.
        next_token: whether what is asked of a token is the one after it.
        embedding_width: D of tokens.
        width: H, units of a layer in each direction.
        depth: number of layers, at least 1.
        bidirectional: read backwards, too, and give the next layer both.
        activation: of the states: tanh, or relu (Le, Jaitly and Hinton, A simple way to initialize recurrent networks
            of rectified linear units, 2015).
        dropout_rate: on the outputs of each layer, in [0, 1).
        init: of the weights, gate by gate, see `dlx.core.layers.initialize`.
        init_scale: what these weights are then multiplied with, in (0, inf).

    Raises:
        ConfigError: inputs are a table, or reading backwards would show the network what it is to say.
    """

    def __init__(self, input_shape: tuple[int, ...], num_outputs: int, layout: Layout, kind: Kind, vocabulary_size: int,
                 next_token: bool, embedding_width: Width, width: Width, depth: Depth, bidirectional: bool,
                 activation: Literal["tanh", "relu"], dropout_rate: Rate, init: Init, init_scale: Positive) -> None:
        sequences = Sequences("rnn", input_shape, layout, vocabulary_size, embedding_width)
        super().__init__(sequences, num_outputs, kind, next_token, width, depth, bidirectional, dropout_rate,
                         functools.partial(nn.RNN, batch_first=True, nonlinearity=activation))
        initialize(self, init, init_scale)
