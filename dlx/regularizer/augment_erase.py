"""Random erasing."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from dlx.core.ranges import Fill, Fraction, Probability
from dlx.core.types import Batch, Layout

if TYPE_CHECKING:
    import torch

# The least share of an image, and the least and greatest height by width, of the paper.
LEAST_AREA, RATIO = 0.02, (0.3, 10 / 3)


class AugmentErase:
    """Sets a rectangle of some training images to one value.

    Source: Zhong, Zheng, Kang, Li and Yang, Random erasing data augmentation, 2017, with its least area of 2% and
    ratios of 0.3 to 10/3.

    Args:
        rate: probability that an image loses a rectangle, in [0, 1].
        area: the greatest share of the image, in (0, 1).
        fill: the value, as the model sees it, in [-1000, 1000]; 0 is the mean of standardized images.
    """

    MEMBER_VALUES: ClassVar[tuple[str, ...]] = ("rate", "area", "fill")
    layouts: ClassVar[tuple[Layout, ...]] = ("image",)

    def __init__(self, rate: Probability, area: Fraction, fill: Fill) -> None:
        self.rate = rate
        self.area = area
        self.fill = fill

    def on_batch(self, batch: Batch, generator: torch.Generator) -> Batch:
        """Return the batch with rectangles erased. Raises ConfigError where inputs are no images."""
        from dlx.core.augment.erasing import draw_boxes, erase
        from dlx.core.augment.images import images_of, key_and_ids

        images = images_of(batch, "augment_erase")
        areas = (min(LEAST_AREA, self.area), self.area)
        size = (images.shape[2], images.shape[3])
        boxes = draw_boxes(*key_and_ids(batch, generator), size, self.rate, areas, RATIO)
        return batch._replace(inputs=erase(images, boxes, self.fill))
