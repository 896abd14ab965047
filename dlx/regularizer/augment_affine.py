"""Random affine maps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from dlx.core.ranges import Fill, Range, Rate
from dlx.core.types import Batch, Layout

if TYPE_CHECKING:
    import torch

Degrees = Annotated[float, Range("[0, 180]")]
Shear = Annotated[float, Range("[0, 80]")]


class AugmentAffine:
    """Turns, shears, scales and shifts each training image by amounts of its own, as torchvision's RandomAffine does.

    Args:
        degrees: the greatest angle either way, in [0, 180].
        shift: the greatest shift as a share of height and width, in [0, 1); whole pixels are drawn.
        scale: sizes are between 1 - scale and 1 + scale, in [0, 1).
        shear: the greatest angle by which either axis leans, in [0, 80].
        interpolation: bilinear, or nearest, which is twice as fast.
        fill: value of what was outside, as the model sees it, in [-1000, 1000]; 0 is the mean of standardized images.
    """

    MEMBER_VALUES: ClassVar[tuple[str, ...]] = ("degrees", "shift", "scale", "shear", "interpolation", "fill")
    layouts: ClassVar[tuple[Layout, ...]] = ("image",)

    def __init__(self, degrees: Degrees, shift: Rate, scale: Rate, shear: Shear,
                 interpolation: Literal["bilinear", "nearest"], fill: Fill) -> None:
        self.degrees = degrees
        self.shift = shift
        self.scale = scale
        self.shear = shear
        self.interpolation = interpolation
        self.fill = fill

    def on_batch(self, batch: Batch, generator: torch.Generator) -> Batch:
        """Return the batch with its images mapped. Raises ConfigError where inputs are no images."""
        from dlx.core.augment.geometry import affine, draw_affine
        from dlx.core.augment.images import images_of, key_and_ids

        images = images_of(batch, "augment_affine")
        shift = (self.shift * images.shape[3], self.shift * images.shape[2])
        maps = draw_affine(*key_and_ids(batch, generator), self.degrees, shift, (1 - self.scale, 1 + self.scale),
                           self.shear)
        return batch._replace(inputs=affine(images, maps, self.interpolation, self.fill))
