"""What recurrent networks share. B batch, L positions, D features, H units, C outputs."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import torch
from torch import Tensor, nn

from dlx.core.errors import ConfigError
from dlx.core.layers import Dropout
from dlx.core.sequences import Sequences, at, backwards
from dlx.core.types import PER_POSITION, Kind


class Recurrent(nn.Module):
    """`depth` recurrent layers over sequences, dropout on the outputs of each, and a linear head.

    The head answers for a whole input from the state after its last position, of a bidirectional network also from the
    backward state after its first; or for every position from the states there. Padding comes after all that is real,
    in either direction, and never reaches a state that counts. Dropout is on what goes up, not on what goes on
    (Zaremba, Sutskever and Vinyals, Recurrent neural network regularization, 2014).

    Args:
        sequences: of the inputs.
        num_outputs: C.
        kind: of the task.
        next_token: whether what is asked of a token is the one after it.
        width: H, units of a layer in each direction.
        depth: number of layers.
        bidirectional: read backwards, too, and give the next layer both.
        dropout_rate: on the outputs of each layer.
        make: a layer of torch's that maps D features to H units, the batch first.

    Raises:
        ConfigError: reading backwards would show the network what it is to say.
    """

    MEMBER_VALUES: ClassVar[tuple[str, ...]] = ("dropout_rate",)

    def __init__(self, sequences: Sequences, num_outputs: int, kind: Kind, next_token: bool, width: int, depth: int,
                 bidirectional: bool, dropout_rate: float, make: Callable[[int, int], nn.RNNBase]) -> None:
        super().__init__()
        if bidirectional and next_token:
            raise ConfigError("model.bidirectional=true would read the very tokens that are to be told from those "
                              "before them; use model.bidirectional=false")
        self.width, self.every_position = width, kind in PER_POSITION
        self.sequences = sequences
        outputs = 2 * width if bidirectional else width
        inputs = [sequences.num_features, *[outputs] * (depth - 1)]
        self.ahead = nn.ModuleList(make(size, width) for size in inputs)
        self.back = nn.ModuleList(make(size, width) for size in inputs if bidirectional)
        self.dropouts = nn.ModuleList(Dropout(dropout_rate) for _ in inputs)
        self.head = nn.Linear(outputs, num_outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Map inputs [B, ...] to logits or predictions [B, C], or to those of every position [B, L, C]."""
        last, states = self.sequences.last(x), self.sequences(x)
        for number, (ahead, dropout) in enumerate(zip(self.ahead, self.dropouts, strict=True)):
            read = [ahead(states)[0]]
            if self.back:
                read.append(backwards(self.back[number](backwards(states, last))[0], last))
            states = dropout(torch.cat(read, dim=2))
        if not self.every_position:
            states = torch.cat([at(states[..., : self.width], last), states[:, 0, self.width :]], dim=1)
        return self.head(states)  # type: ignore[no-any-return]
