"""The middle of images."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Annotated

import numpy as np

from dlx.core.errors import ConfigError
from dlx.core.features import require_layout
from dlx.core.ranges import Length, Width
from dlx.core.types import TaskSpec


class CenterCrop:
    """Cuts the middle out of images; nothing is resized, and bytes stay bytes.

    Args:
        size: height and width in pixels, at most those of the images.
    """

    def __init__(self, size: Annotated[list[Width], Length(2)]) -> None:
        self.size = size

    def fit(self, inputs: np.ndarray, targets: np.ndarray, spec: TaskSpec) -> dict[str, np.ndarray]:
        """Return no statistics. Raises ConfigError where inputs are no images, or smaller ones."""
        return self.fit_blocks([inputs], spec)

    def fit_blocks(self, blocks: Iterable[np.ndarray], spec: TaskSpec) -> dict[str, np.ndarray]:
        """Return the same, without a look at the rows."""
        self.spec_after(spec, None)
        return {}

    def apply(self, inputs: np.ndarray, statistics: Mapping[str, np.ndarray]) -> np.ndarray:
        """Crop images [N, C, H, W] to [N, C, *size] of the same type."""
        # Of an odd rest the middle is rounded as torchvision does.
        top, left = (round((given - wanted) / 2) for given, wanted in zip(inputs.shape[2:], self.size, strict=True))
        return np.ascontiguousarray(inputs[:, :, top : top + self.size[0], left : left + self.size[1]])

    def spec_after(self, spec: TaskSpec, statistics: Mapping[str, np.ndarray] | None) -> TaskSpec:
        """Return the spec of images of the size."""
        require_layout("center_crop", spec, "image")
        channels, height, width = spec.input_shape
        if self.size[0] > height or self.size[1] > width:
            raise ConfigError(f"preprocessing.center_crop.size must be at most the images' [{height}, {width}], got "
                              f"{self.size}: make it smaller, or put resize before it")
        return replace(spec, input_shape=(channels, *self.size))
