"""Temporal convolutional network. B batch, L positions, D features, W channels, K taps of a kernel, C outputs."""

from __future__ import annotations

from typing import Annotated, ClassVar

from torch import Tensor, nn
from torch.nn import functional as f

from dlx.core.layers import ACTIVATIONS, Activation, Dropout, Init, Norm, initialize, norm_layers
from dlx.core.ranges import Positive, Range, Rate, Width
from dlx.core.sequences import Sequences, at
from dlx.core.types import PER_POSITION, Kind, Layout

Taps = Annotated[int, Range("[2, 64]")]
Blocks = Annotated[int, Range("[1, 16]")]


class TCN(nn.Module):
    """`depth` residual blocks of causal convolutions, each with twice the dilation of the one before; a linear head.

    Source: Bai, Kolter and Koltun, An empirical evaluation of generic convolutional and recurrent networks for sequence
    modeling, 2018; with the norms of the other models for their weight normalization, and dropout of single units. An
    output sees its own position and the 2 · (K - 1) · (2^depth - 1) before it; what is asked of a whole input is
    answered at its last position. So padding, which comes after it, changes nothing; but norm=batch takes mean and
    variance over all positions of a batch.

    Args:
        input_shape: (L,) tokens, (L, D) series, or (C, H, W) images, which are read row by row.
        num_outputs: C.
        layout: of inputs.
        kind: of the task.
        vocabulary_size: number of different tokens.
        embedding_width: D of tokens.
        width: W.
        depth: number of blocks, in [1, 16].
        kernel: K, in [2, 64].
        activation: after each convolution and each block.
        norm: after each convolution, over the channels of a position alone.
        dropout_rate: after each activation of a block, in [0, 1).
        init: of the weights, see `dlx.core.layers.initialize`.
        init_scale: what these weights are then multiplied with, in (0, inf).

    Raises:
        ConfigError: inputs are a table.
    """

    MEMBER_VALUES: ClassVar[tuple[str, ...]] = ("dropout_rate",)

    def __init__(self, input_shape: tuple[int, ...], num_outputs: int, layout: Layout, kind: Kind, vocabulary_size: int,
                 embedding_width: Width, width: Width, depth: Blocks, kernel: Taps, activation: Activation, norm: Norm,
                 dropout_rate: Rate, init: Init, init_scale: Positive) -> None:
        super().__init__()
        self.every_position = kind in PER_POSITION
        self.sequences = Sequences("tcn", input_shape, layout, vocabulary_size, embedding_width)
        inputs = [self.sequences.num_features, *[width] * (depth - 1)]
        self.blocks = nn.Sequential(*(Block(size, width, kernel, 2**number, activation, norm, dropout_rate)
                                      for number, size in enumerate(inputs)))
        self.head = nn.Linear(width, num_outputs)
        initialize(self, init, init_scale)

    def forward(self, x: Tensor) -> Tensor:
        """Map inputs [B, ...] to logits or predictions [B, C], or to those of every position [B, L, C]."""
        states = self.blocks(self.sequences(x).transpose(1, 2)).transpose(1, 2)
        if not self.every_position:
            states = at(states, self.sequences.last(x))
        return self.head(states)  # type: ignore[no-any-return]


class Block(nn.Module):
    """activation(shortcut(x) + F(x)), F twice a causal convolution, normalization, activation and dropout.

    The shortcut is x itself, or a convolution of one tap where the number of channels changes.

    Args:
        inputs, outputs: channels.
        kernel: K.
        dilation: distance of the taps.
        activation, norm, dropout_rate: as of the network.
    """

    def __init__(self, inputs: int, outputs: int, kernel: int, dilation: int, activation: Activation, norm: Norm,
                 dropout_rate: float) -> None:
        super().__init__()
        self.residual = nn.Sequential(
            *_causal(inputs, outputs, kernel, dilation, activation, norm, dropout_rate),
            *_causal(outputs, outputs, kernel, dilation, activation, norm, dropout_rate))
        self.shortcut = nn.Identity() if inputs == outputs else nn.Conv1d(inputs, outputs, 1)
        self.activation = ACTIVATIONS[activation]()

    def forward(self, x: Tensor) -> Tensor:
        """Map [B, inputs, L] to [B, outputs, L]."""
        return self.activation(self.shortcut(x) + self.residual(x))  # type: ignore[no-any-return]


class Before(nn.Module):
    """Puts zeros before the first position, so that a convolution looks back alone."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.count = count

    def forward(self, x: Tensor) -> Tensor:
        """Map [B, W, L] to [B, W, count + L]."""
        return f.pad(x, (self.count, 0))


class EachPosition(nn.Module):
    """A layer that is given every position as an example of its own."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor) -> Tensor:
        """Map [B, W, L] to the same shape."""
        rows = self.layer(x.transpose(1, 2).flatten(0, 1))
        return rows.unflatten(0, (x.shape[0], -1)).transpose(1, 2)  # type: ignore[no-any-return]


def _causal(inputs: int, outputs: int, kernel: int, dilation: int, activation: Activation, norm: Norm,
            dropout_rate: float) -> list[nn.Module]:
    normalize = [layer if norm == "batch" else EachPosition(layer) for layer in norm_layers(norm, outputs, 1)]
    return [Before((kernel - 1) * dilation), nn.Conv1d(inputs, outputs, kernel, dilation=dilation), *normalize,
            ACTIVATIONS[activation](), Dropout(dropout_rate)]
