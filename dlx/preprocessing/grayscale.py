"""Colour images in shades of gray."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from dlx.core.errors import ConfigError
from dlx.core.features import require_layout
from dlx.core.types import TaskSpec

# Of red, green and blue: the luma of ITU-R BT.601. For bytes in 65536ths, as Pillow has them.
WEIGHTS = (0.299, 0.587, 0.114)
BYTE_WEIGHTS = (19595, 38470, 7471)


class Grayscale:
    """0.299 red + 0.587 green + 0.114 blue; images of one channel stay as they are.

    Bytes stay bytes, rounded to the nearest.
    """

    def fit(self, inputs: np.ndarray, targets: np.ndarray, spec: TaskSpec) -> dict[str, np.ndarray]:
        """Return no statistics. Raises ConfigError where inputs are no images of one or three channels."""
        return self.fit_blocks([inputs], spec)

    def fit_blocks(self, blocks: Iterable[np.ndarray], spec: TaskSpec) -> dict[str, np.ndarray]:
        """Return the same, without a look at the rows."""
        self.spec_after(spec, None)
        return {}

    def apply(self, inputs: np.ndarray, statistics: Mapping[str, np.ndarray]) -> np.ndarray:
        """Transform images [N, 3, H, W] to [N, 1, H, W], bytes to bytes and numbers to float32."""
        return inputs if inputs.shape[1] == 1 else _gray(inputs)

    def spec_after(self, spec: TaskSpec, statistics: Mapping[str, np.ndarray] | None) -> TaskSpec:
        """Return the spec of images of one channel."""
        require_layout("grayscale", spec, "image")
        if spec.input_shape[0] not in (1, 3):
            raise ConfigError(f"preprocessing=grayscale is for images of 3 channels, red, green and blue, and these "
                              f"have {spec.input_shape[0]}: leave it out")
        return replace(spec, input_shape=(1, *spec.input_shape[1:]))


def _gray(images: np.ndarray) -> np.ndarray:
    if images.dtype == np.uint8:
        return ((_weighted(images.astype(np.uint32), BYTE_WEIGHTS) + 2**15) >> 16).astype(np.uint8)
    return _weighted(images.astype(np.float64), WEIGHTS).astype(np.float32)


def _weighted(images: np.ndarray, weights: Sequence[float]) -> np.ndarray:
    red, green, blue = (images[:, channel, None] * weight for channel, weight in enumerate(weights))
    weighted: np.ndarray = red + green + blue
    return weighted
