"""Colour jitter. B images of C channels, H × W pixels, of numbers in any range: standardized ones, for example."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor

from dlx.core.augment.draws import Key, between, uniforms


class Jitter(NamedTuple):
    """Changes of colour, each [B]: what is added to all numbers, and factors of contrast and saturation."""

    brightness: Tensor
    contrast: Tensor
    saturation: Tensor


def draw_jitter(key: Key, ids: Tensor, strength: float) -> Jitter:
    """Draw brightness in [-strength, strength], contrast and saturation in [1 - strength, 1 + strength]."""
    brightness, contrast, saturation = between(uniforms(key, ids, 3), -strength, strength).unbind(1)
    return Jitter(brightness, 1 + contrast, 1 + saturation)


def jitter(images: Tensor, changes: Jitter) -> Tensor:
    """Change contrast about the mean of each of images [B, C, H, W], saturation about the mean of each pixel's
    channels, and brightness.

    As torchvision's ColorJitter, but without hue, bounds and weights of channels, which are those of numbers in [0, 1].
    """
    brightness, contrast, saturation = (change.to(images)[:, None, None, None] for change in changes)
    mean, gray = images.mean(dim=(1, 2, 3), keepdim=True), images.mean(dim=1, keepdim=True)
    return mean + brightness + contrast * (gray - mean + saturation * (images - gray))
