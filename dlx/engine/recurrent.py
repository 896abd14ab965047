"""Recurrent layers of R members, computed member by member. B batch, L positions, D features, H units.

torch's own kernel for one member takes less time than a loop over positions that all members share, but for the
smallest layers.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

Given = Tensor | PackedSequence
RECURRENT = (nn.RNN, nn.LSTM, nn.GRU)


def lower_recurrent(layer: nn.Module) -> Callable[..., Any] | None:
    """Return the function that computes a recurrent layer of torch's; None for what is none."""
    return recurrent if type(layer) in RECURRENT else None


def recurrent(layer: nn.RNNBase, x: Given, state: Any = None) -> tuple[Given, Any]:
    """Map sequences of all members, R·B along the axis of examples, and first states [..., R·B, H], as the layer does.

    Args:
        layer: whose weights are [R, ...].
        x: [R·B, L, D], [L, R·B, D] or packed.
        state: one tensor, or two of an LSTM, or None for zeros.
    """
    weights = [getattr(layer, name).unbind() for name in layer._flat_weights_names]
    members, axis = len(weights[0]), 0 if layer.batch_first else 1
    parts = []
    for own_x, own_state, own in zip(_divided(x, members, axis), _divided_state(state, members),
                                     zip(*weights, strict=True), strict=True):
        alone = copy.copy(layer)
        alone._flat_weights = list(own)
        parts.append(type(layer).forward(alone, own_x, own_state))
    outputs, states = zip(*parts, strict=True)
    return _joined(outputs, x, axis), _joined_state(states)


def _divided(x: Given, members: int, axis: int) -> Sequence[Given]:
    if isinstance(x, Tensor):
        return x.chunk(members, axis)
    padded, lengths = pad_packed_sequence(x)
    return [pack_padded_sequence(own, own_lengths, enforce_sorted=False)
            for own, own_lengths in zip(padded.chunk(members, 1), lengths.chunk(members), strict=True)]


def _joined(outputs: tuple[Any, ...], x: Given, axis: int) -> Given:
    if isinstance(x, Tensor):
        return torch.cat(outputs, axis)
    length = len(x.batch_sizes)
    padded, lengths = zip(*(pad_packed_sequence(own, total_length=length) for own in outputs), strict=True)
    joined, ends = torch.cat(padded, 1), torch.cat(lengths)
    if x.sorted_indices is not None:
        joined, ends = joined.index_select(1, x.sorted_indices), ends[x.sorted_indices.cpu()]
    # In the order of what was given, also where lengths are equal.
    return x._replace(data=pack_padded_sequence(joined, ends).data)


def _divided_state(state: Any, members: int) -> Sequence[Any]:
    if state is None:
        return [None] * members
    if isinstance(state, Tensor):
        return state.chunk(members, 1)
    return list(zip(*(own.chunk(members, 1) for own in state), strict=True))


def _joined_state(states: tuple[Any, ...]) -> Any:
    if isinstance(states[0], Tensor):
        return torch.cat(states, 1)
    return tuple(torch.cat(own, 1) for own in zip(*states, strict=True))
