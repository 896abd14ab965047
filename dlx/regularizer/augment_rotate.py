"""Random rotations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from dlx.core.ranges import Fill, Range
from dlx.core.types import Batch, Layout

if TYPE_CHECKING:
    import torch

Degrees = Annotated[float, Range("[0, 180]")]


class AugmentRotate:
    """Turns each training image about its centre by an angle of its own.

    Args:
        degrees: the greatest angle either way, in [0, 180].
        interpolation: bilinear, or nearest, which is twice as fast.
        fill: value of what was outside, as the model sees it, in [-1000, 1000]; 0 is the mean of standardized images.
    """

    MEMBER_VALUES: ClassVar[tuple[str, ...]] = ("degrees", "interpolation", "fill")
    layouts: ClassVar[tuple[Layout, ...]] = ("image",)

    def __init__(self, degrees: Degrees, interpolation: Literal["bilinear", "nearest"], fill: Fill) -> None:
        self.degrees = degrees
        self.interpolation = interpolation
        self.fill = fill

    def on_batch(self, batch: Batch, generator: torch.Generator) -> Batch:
        """Return the batch with its images turned. Raises ConfigError where inputs are no images."""
        from dlx.core.augment.geometry import draw_rotation, rotate
        from dlx.core.augment.images import images_of, key_and_ids

        images = images_of(batch, "augment_rotate")
        angles = draw_rotation(*key_and_ids(batch, generator), self.degrees)
        return batch._replace(inputs=rotate(images, angles, self.interpolation, self.fill))
