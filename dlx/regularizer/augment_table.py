"""Augmentation of tables under one name."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from dlx.core.ranges import NonNegative, Rate
from dlx.core.types import Batch, Layout

if TYPE_CHECKING:
    import torch


class AugmentTable:
    """Replaces some values of training rows by those of other rows of the batch, and adds noise to all.

    Source: Bahri, Jiang, Tay and Metzler, SCARF: self-supervised contrastive learning using random feature corruption,
    2022: each value is replaced by one of the same column, as often as it is there.

    Args:
        replace_rate: probability that a value is another row's, in [0, 1).
        noise: standard deviation of Gaussian noise, as the model sees it, in [0, inf).
    """

    MEMBER_VALUES: ClassVar[tuple[str, ...]] = ("replace_rate", "noise")
    layouts: ClassVar[tuple[Layout, ...]] = ("table",)

    def __init__(self, replace_rate: Rate, noise: NonNegative) -> None:
        self.replace_rate = replace_rate
        self.noise = noise

    def on_batch(self, batch: Batch, generator: torch.Generator) -> Batch:
        """Return the batch with its rows [B, D] changed."""
        from dlx.core.augment.draws import uniforms
        from dlx.core.augment.images import key_and_ids
        from dlx.core.augment.noise import add_noise, draw_noise
        from dlx.core.augment.table import replace_values
        from dlx.core.random import key

        rows = batch.inputs
        own, ids = key_and_ids(batch, generator)
        replaced = uniforms(key(own, "replaced"), ids, rows.shape[1]) < self.replace_rate
        rows = replace_values(rows, replaced, uniforms(key(own, "others"), ids, rows.shape[1]))
        return batch._replace(inputs=add_noise(rows, draw_noise(key(own, "noise"), ids, rows.shape[1:]), self.noise))
