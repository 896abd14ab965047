"""Random masks over the time or the frequencies of spectrograms."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from dlx.core.ranges import Fill, Fraction, Range
from dlx.core.types import Batch, Layout

if TYPE_CHECKING:
    import torch

Masks = Annotated[int, Range("[1, 100]")]


class AugmentTimeMask:
    """Sets runs of frames of training spectrograms, columns of images, to one value.

    Source: Park et al., SpecAugment, 2019.

    Args:
        num_masks: runs in each image, in [1, 100]; they may overlap.
        most: the longest run as a share of the axis, in (0, 1); lengths from 0 are equally likely.
        fill: the value, as the model sees it, in [-1000, 1000]; 0 is the mean of standardized images.
    """

    MEMBER_VALUES: ClassVar[tuple[str, ...]] = ("num_masks", "most", "fill")
    layouts: ClassVar[tuple[Layout, ...]] = ("image",)
    AXIS: ClassVar[Literal["time", "frequency"]] = "time"

    def __init__(self, num_masks: Masks, most: Fraction, fill: Fill) -> None:
        self.num_masks = num_masks
        self.most = most
        self.fill = fill

    def on_batch(self, batch: Batch, generator: torch.Generator) -> Batch:
        """Return the batch with masks. Raises ConfigError where inputs are no images."""
        from dlx.core.augment.audio import draw_spans, mask
        from dlx.core.augment.images import images_of, key_and_ids

        images = images_of(batch, f"augment_{self.AXIS}_mask")
        size = images.shape[3 if self.AXIS == "time" else 2]
        spans = draw_spans(*key_and_ids(batch, generator), size, self.num_masks, round(self.most * size))
        return batch._replace(inputs=mask(images, spans, self.AXIS, self.fill))


class AugmentFrequencyMask(AugmentTimeMask):
    """Sets runs of frequencies of training spectrograms, rows of images, to one value.

    Source: Park et al., SpecAugment, 2019.

    Args:
        num_masks: runs in each image, in [1, 100]; they may overlap.
        most: the longest run as a share of the axis, in (0, 1); lengths from 0 are equally likely.
        fill: the value, as the model sees it, in [-1000, 1000]; 0 is the mean of standardized images.
    """

    AXIS: ClassVar[Literal["time", "frequency"]] = "frequency"
