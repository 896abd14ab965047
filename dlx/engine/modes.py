"""Modes of a model that hold for a block."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn


@contextmanager
def eval_mode(model: nn.Module) -> Iterator[None]:
    """Put the model in eval mode inside the block; after it every layer is in the mode that it was in."""
    if not model.training:
        yield
        return
    before = [(layer, layer.training) for layer in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for layer, was_training in before:
            layer.training = was_training


@contextmanager
def statistics_kept(model: nn.Module) -> Iterator[None]:
    """Undo after the block what passes through the model do to its buffers: a batch counts once."""
    before = [buffer.clone() for buffer in model.buffers()]
    try:
        yield
    finally:
        for buffer, kept in zip(model.buffers(), before, strict=True):
            buffer.copy_(kept)
