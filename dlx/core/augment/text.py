"""Token dropout. B texts of L tokens."""

from __future__ import annotations

import torch
from torch import Tensor

from dlx.core.augment.draws import Key, uniforms
from dlx.core.types import PADDING


def draw_dropped(key: Key, ids: Tensor, length: int, rate: float) -> Tensor:
    """Draw which tokens are dropped, each with probability rate, bool [B, L]."""
    return uniforms(key, ids, length) < rate


def drop_tokens(tokens: Tensor, dropped: Tensor, unknown: int) -> Tensor:
    """Replace the dropped ones of tokens [B, L] by the unknown token; PADDING stays, and so do places and lengths.

    Source: Bowman et al., Generating sentences from a continuous space, 2016, "word dropout".

    Args:
        tokens: int64 [B, L].
        dropped: bool [B, L].
        unknown: the token of what is not in the vocabulary.
    """
    return torch.where(dropped.to(tokens.device) & (tokens != PADDING), unknown, tokens)
