"""Modes of a model that hold for a block."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn


@contextmanager
def eval_mode(model: nn.Module) -> Iterator[None]:
    """Put the model in eval mode inside the block, back in training mode after it. Blocks may be nested."""
    if not model.training:
        yield
        return
    model.eval()
    try:
        yield
    finally:
        model.train()


@contextmanager
def statistics_kept(model: nn.Module) -> Iterator[None]:
    """Undo after the block what passes through the model do to its buffers: a batch counts once."""
    before = [buffer.clone() for buffer in model.buffers()]
    try:
        yield
    finally:
        for buffer, kept in zip(model.buffers(), before, strict=True):
            buffer.copy_(kept)
