"""Augmentation of texts under one name."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from dlx.core.ranges import Rate
from dlx.core.types import UNKNOWN, Batch, Layout

if TYPE_CHECKING:
    import torch


class AugmentText:
    """Replaces some tokens of training texts by others of the batch, and drops some; places and lengths stay.

    Source: Xie et al., Data noising as smoothing in neural network language models, 2017: replaced by a token as often
    as it is there ("unigram noising"), or by the unknown one ("blank noising"). That is token 1 of every tokenize_
    preprocessing; of other tokens drop none. Targets stay what they are.

    Args:
        drop_rate: probability that a token becomes the unknown one, in [0, 1).
        replace_rate: probability that a token becomes another of the batch, in [0, 1).
    """

    MEMBER_VALUES: ClassVar[tuple[str, ...]] = ("drop_rate", "replace_rate")
    layouts: ClassVar[tuple[Layout, ...]] = ("tokens",)

    def __init__(self, drop_rate: Rate, replace_rate: Rate) -> None:
        self.drop_rate = drop_rate
        self.replace_rate = replace_rate

    def on_batch(self, batch: Batch, generator: torch.Generator) -> Batch:
        """Return the batch with its texts changed."""
        from dlx.core.augment.draws import uniforms
        from dlx.core.augment.images import key_and_ids
        from dlx.core.augment.text import draw_dropped, drop_tokens, replace_tokens
        from dlx.core.random import key

        tokens = batch.inputs
        own, ids = key_and_ids(batch, generator)
        replaced = draw_dropped(key(own, "replaced"), ids, tokens.shape[1], self.replace_rate)
        tokens = replace_tokens(tokens, replaced, uniforms(key(own, "others"), ids, tokens.shape[1]))
        dropped = draw_dropped(key(own, "dropped"), ids, tokens.shape[1], self.drop_rate)
        return batch._replace(inputs=drop_tokens(tokens, dropped, UNKNOWN))
