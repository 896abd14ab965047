"""Masks and shifts of spectrograms [B, 1, F, T] and waveforms [B, T]: B examples, F frequencies, T frames, M masks."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from dlx.core.augment.draws import Key, uniforms, whole

Axis = Literal["frequency", "time"]


def draw_spans(key: Key, ids: Tensor, size: int, num_masks: int, most: int) -> Tensor:
    """Draw what masks cover of an axis, int64 [B, M, 2]: the first index and the length.

    Source: Park et al., SpecAugment, 2019: the length is uniform in 0 … most, the first index in 0 … size - length - 1.

    Args:
        key: of the draws.
        ids: [B].
        size: of the axis, F or T.
        num_masks: M.
        most: the greatest length, at most size.
    """
    drawn = uniforms(key, ids, 2 * num_masks).view(-1, num_masks, 2)
    lengths = whole(drawn[:, :, 0], most + 1)
    return torch.stack([whole(drawn[:, :, 1], size - lengths), lengths], dim=2)


def mask(spectrograms: Tensor, spans: Tensor, axis: Axis, fill: float) -> Tensor:
    """Set the spans [B, M, 2] of one axis of spectrograms [B, 1, F, T] to a value.

    In log-mel spectrograms 0 is no silence unless they are standardized: then it is their mean, as in the paper.
    """
    size = spectrograms.shape[2 if axis == "frequency" else 3]
    places = torch.arange(size, device=spectrograms.device)
    first, lengths = spans.to(spectrograms.device)[..., None].unbind(2)
    covered = ((places >= first) & (places < first + lengths)).any(dim=1)
    shape = (-1, 1, size, 1) if axis == "frequency" else (-1, 1, 1, size)
    return spectrograms.masked_fill(covered.view(shape), fill)


def draw_shift(key: Key, ids: Tensor, most: int) -> Tensor:
    """Draw shifts in -most … most, int64 [B]."""
    return whole(uniforms(key, ids, 1)[:, 0], 2 * most + 1) - most


def shift(inputs: Tensor, shifts: Tensor, fill: float | None) -> Tensor:
    """Move the last axis of inputs [B, ..., T] later by shifts [B].

    Args:
        inputs: waveforms or spectrograms.
        shifts: int64; negative ones move to earlier times.
        fill: value of times that nothing moves to; None moves there what leaves at the other end.
    """
    size = inputs.shape[-1]
    sources = torch.arange(size, device=inputs.device) - shifts.to(inputs.device)[:, None]
    shape = (len(inputs), *(1,) * (inputs.ndim - 2), size)
    moved = inputs.gather(-1, sources.remainder(size).view(shape).expand(inputs.shape))
    outside = ((sources < 0) | (sources >= size)).view(shape)
    return moved if fill is None else moved.masked_fill(outside, fill)
