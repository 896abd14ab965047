"""Random flips."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from dlx.core.ranges import Probability
from dlx.core.types import Batch, Layout

if TYPE_CHECKING:
    import torch


class AugmentFlip:
    """Mirrors some training images left to right, or upside down. Not for what a mirror changes, as letters and digits.

    Args:
        rate: probability that an image is mirrored, in [0, 1].
        vertical: upside down instead of left to right.
    """

    MEMBER_VALUES: ClassVar[tuple[str, ...]] = ("rate", "vertical")
    layouts: ClassVar[tuple[Layout, ...]] = ("image",)

    def __init__(self, rate: Probability, vertical: bool) -> None:
        self.rate = rate
        self.vertical = vertical

    def on_batch(self, batch: Batch, generator: torch.Generator) -> Batch:
        """Return the batch with some images mirrored. Raises ConfigError where inputs are no images."""
        from dlx.core.augment.geometry import draw_flip, flip
        from dlx.core.augment.images import images_of, key_and_ids

        images = images_of(batch, "augment_flip")
        flipped = draw_flip(*key_and_ids(batch, generator), self.rate)
        return batch._replace(inputs=flip(images, flipped, self.vertical))
