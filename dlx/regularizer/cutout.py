"""Cutout."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from dlx.core.ranges import Fill, Fraction
from dlx.core.types import Batch, Layout

if TYPE_CHECKING:
    import torch


class Cutout:
    """Sets a square of every training image to one value.

    Source: DeVries and Taylor, Improved regularization of convolutional neural networks with cutout, 2017. Its centre
    is any pixel, so that part of it may lie outside; half the side of an image of 32×32 is their size for CIFAR-10, a
    quarter for CIFAR-100.

    Args:
        size: of the square, as a share of the shorter side of the image, in (0, 1); at least one pixel.
        fill: the value, as the model sees it, in [-1000, 1000]; 0 is the mean of standardized images.
    """

    MEMBER_VALUES: ClassVar[tuple[str, ...]] = ("size", "fill")
    layouts: ClassVar[tuple[Layout, ...]] = ("image",)

    def __init__(self, size: Fraction, fill: Fill) -> None:
        self.size = size
        self.fill = fill

    def on_batch(self, batch: Batch, generator: torch.Generator) -> Batch:
        """Return the batch with squares cut out. Raises ConfigError where inputs are no images."""
        from dlx.core.augment.erasing import draw_squares, erase
        from dlx.core.augment.images import images_of, key_and_ids

        images = images_of(batch, "cutout")
        height, width = images.shape[2:]
        side = max(1, round(self.size * min(height, width)))
        boxes = draw_squares(*key_and_ids(batch, generator), (height, width), side)
        return batch._replace(inputs=erase(images, boxes, self.fill))
