"""Images of another size."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Annotated

import numpy as np
import torch
from torch.nn import functional

from dlx.core.features import require_layout
from dlx.core.ranges import Length, Width
from dlx.core.types import TaskSpec


class Resize:
    """Bilinear interpolation to a size, with antialiasing where images become smaller; the aspect ratio is not kept.

    Bytes stay bytes, rounded to the nearest.

    Args:
        size: height and width in pixels.
    """

    def __init__(self, size: Annotated[list[Width], Length(2)]) -> None:
        self.size = size

    def fit(self, inputs: np.ndarray, targets: np.ndarray, spec: TaskSpec) -> dict[str, np.ndarray]:
        """Return no statistics. Raises ConfigError where inputs are no images."""
        return self.fit_blocks([inputs], spec)

    def fit_blocks(self, blocks: Iterable[np.ndarray], spec: TaskSpec) -> dict[str, np.ndarray]:
        """Return the same, without a look at the rows."""
        require_layout("resize", spec, "image")
        return {}

    def apply(self, inputs: np.ndarray, statistics: Mapping[str, np.ndarray]) -> np.ndarray:
        """Resize images [N, C, H, W] to [N, C, *size], bytes to bytes and numbers to float32."""
        return inputs if list(inputs.shape[2:]) == self.size else self._resized(inputs)

    def spec_after(self, spec: TaskSpec, statistics: Mapping[str, np.ndarray] | None) -> TaskSpec:
        """Return the spec of images of the size."""
        require_layout("resize", spec, "image")
        return replace(spec, input_shape=(spec.input_shape[0], *self.size))

    def _resized(self, images: np.ndarray) -> np.ndarray:
        # torch rounds a number by its place in the batch, and bytes by the processor: float64 hides the one, and no
        # bytes the other.
        wide = functional.interpolate(torch.from_numpy(images.astype(np.float64)), self.size, mode="bilinear",
                                      antialias=True).numpy()
        resized = wide.astype(np.float32)
        return resized.round().clip(0, 255).astype(np.uint8) if images.dtype == np.uint8 else resized
