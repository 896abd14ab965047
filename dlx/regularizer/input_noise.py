"""Gaussian noise on inputs."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from dlx.core.ranges import NonNegative
from dlx.core.types import Batch, Layout

if TYPE_CHECKING:
    import torch


class InputNoise:
    """Adds Gaussian noise to each number of the training inputs: pixels, or columns of a table.

    Source: Bishop, Training with noise is equivalent to Tikhonov regularization, 1995. After preprocessing=standardize
    the scale is in units of each column's standard deviation.

    Args:
        scale: standard deviation of the noise, as the model sees it, in [0, inf).
    """

    MEMBER_VALUES: ClassVar[tuple[str, ...]] = ("scale",)
    layouts: ClassVar[tuple[Layout, ...]] = ("image", "table")

    def __init__(self, scale: NonNegative) -> None:
        self.scale = scale

    def on_batch(self, batch: Batch, generator: torch.Generator) -> Batch:
        """Return the batch with noise. Raises ConfigError where inputs are tokens."""
        from dlx.core.augment.images import key_and_ids
        from dlx.core.augment.noise import add_noise, draw_noise
        from dlx.core.errors import ConfigError

        if not batch.inputs.is_floating_point():
            raise ConfigError("regularizer=input_noise needs numbers, and inputs are tokens; leave it out")
        noise = draw_noise(*key_and_ids(batch, generator), batch.inputs.shape[1:])
        return batch._replace(inputs=add_noise(batch.inputs, noise, self.scale))
