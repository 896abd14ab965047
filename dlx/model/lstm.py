"""Long short-term memory. D features, H units, C outputs."""

from __future__ import annotations

import functools
from typing import Annotated

import torch
from torch import nn

from dlx.core.layers import Init, initialize
from dlx.core.ranges import Depth, Positive, Range, Rate, Width
from dlx.core.recurrent import Recurrent
from dlx.core.sequences import Sequences
from dlx.core.types import Kind, Layout

Bias = Annotated[float, Range("[-100, 100]")]


class LSTM(Recurrent):
    """A state with gates that write, keep and show it: h_t = o · tanh(c_t), c_t = f · c_{t-1} + i · g.

    i, f, o = σ(W x_t + b + U h_{t-1} + b') and g the same with tanh, each with weights of its own. Source: Hochreiter
    and Schmidhuber, Long short-term memory, 1997, with the forget gate f of Gers, Schmidhuber and Cummins, Learning to
    forget, 2000.

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
        dropout_rate: on the outputs of each layer, in [0, 1).
        init: of the weights, gate by gate, see `dlx.core.layers.initialize`.
        init_scale: what these weights are then multiplied with, in (0, inf).
        forget_bias: what is added to the bias of f at the start, in [-100, 100]: with 1, cells at first keep what they
            hold (Jozefowicz, Zaremba and Sutskever, An empirical exploration of recurrent network architectures, 2015).

    Raises:
        ConfigError: inputs are a table, or reading backwards would show the network what it is to say.
    """

    def __init__(self, input_shape: tuple[int, ...], num_outputs: int, layout: Layout, kind: Kind, vocabulary_size: int,
                 next_token: bool, embedding_width: Width, width: Width, depth: Depth, bidirectional: bool,
                 dropout_rate: Rate, init: Init, init_scale: Positive, forget_bias: Bias) -> None:
        sequences = Sequences("lstm", input_shape, layout, vocabulary_size, embedding_width)
        super().__init__(sequences, num_outputs, kind, next_token, width, depth, bidirectional, dropout_rate,
                         functools.partial(nn.LSTM, batch_first=True))
        initialize(self, init, init_scale)
        with torch.no_grad():
            for layer in (*self.ahead, *self.back):
                # torch orders the gates i, f, g, o.
                layer.bias_ih_l0[width : 2 * width] += forget_bias
