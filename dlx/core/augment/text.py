"""Noise on tokens. B texts of L tokens."""

from __future__ import annotations

import torch
from torch import Tensor

from dlx.core.augment.draws import Key, uniforms, whole
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


def replace_tokens(tokens: Tensor, replaced: Tensor, uniform: Tensor) -> Tensor:
    """Replace some of tokens [B, L] by others of the batch, each as often as it is there; PADDING stays.

    Source: Xie et al., Data noising as smoothing in neural network language models, 2017, "unigram noising".

    Args:
        tokens: int64 [B, L].
        replaced: bool [B, L].
        uniform: [B, L], numbers in [0, 1) that say which token of the batch takes a place; it may be its own.
    """
    known = tokens[tokens != PADDING]
    if not len(known):
        return tokens
    others = known[whole(uniform, len(known)).to(tokens.device)]
    return torch.where(replaced.to(tokens.device) & (tokens != PADDING), others, tokens)
