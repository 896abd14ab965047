"""Augmentation of images under one name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar

from dlx.core.ranges import Probability, Range, Rate
from dlx.core.types import Batch, Layout

if TYPE_CHECKING:
    import torch

Degrees = Annotated[float, Range("[0, 180]")]


class AugmentImage:
    """Shifts, turns, scales, mirrors and recolours each training image by amounts of its own.

    One affine map with bilinear interpolation, 0 outside, then the mirror, then brightness, contrast and saturation;
    each is also an option of its own or a function of dlx.core.augment.

    Args:
        shift: the greatest shift as a share of height and width, in [0, 1).
        degrees: the greatest angle either way, in [0, 180].
        scale: sizes are between 1 - scale and 1 + scale, in [0, 1).
        flip_rate: probability of a mirror image, left to right, in [0, 1]: 0.5 for photographs, 0 for what a mirror
            changes, as letters and digits.
        jitter: contrast and saturation are multiplied by 1 - jitter to 1 + jitter, and brightness moves by as much, in
            units of the numbers that the model sees, in [0, 1).
    """

    MEMBER_VALUES: ClassVar[tuple[str, ...]] = ("shift", "degrees", "scale", "flip_rate", "jitter")
    layouts: ClassVar[tuple[Layout, ...]] = ("image",)

    def __init__(self, shift: Rate, degrees: Degrees, scale: Rate, flip_rate: Probability, jitter: Rate) -> None:
        self.shift = shift
        self.degrees = degrees
        self.scale = scale
        self.flip_rate = flip_rate
        self.jitter = jitter

    def on_batch(self, batch: Batch, generator: torch.Generator) -> Batch:
        """Return the batch with its images changed. Raises ConfigError where inputs are no images."""
        from dlx.core.augment.color import draw_jitter, jitter
        from dlx.core.augment.geometry import affine, draw_affine, draw_flip, flip
        from dlx.core.augment.images import images_of, key_and_ids
        from dlx.core.random import key

        images = images_of(batch, "augment_image")
        own, ids = key_and_ids(batch, generator)
        shift = (self.shift * images.shape[3], self.shift * images.shape[2])
        maps = draw_affine(key(own, "affine"), ids, self.degrees, shift, (1 - self.scale, 1 + self.scale), 0.0)
        images = affine(images, maps, "bilinear", 0.0)
        images = flip(images, draw_flip(key(own, "flip"), ids, self.flip_rate))
        return batch._replace(inputs=jitter(images, draw_jitter(key(own, "jitter"), ids, self.jitter)))
