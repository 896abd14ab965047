"""Colour jitter. B images of C channels, 1 or 3 (red, green, blue), of numbers in [0, 1], H × W pixels."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from dlx.core.augment.draws import Key, between, uniforms

# Of red, green and blue in brightness: ITU-R BT.601, with the digits that torchvision has.
LUMA = (0.2989, 0.587, 0.114)


class Jitter(NamedTuple):
    """Changes of colour, each [B].

    brightness, contrast, saturation: factors, 1 for no change; hue: turns of the circle, 0 for no change.
    """

    brightness: Tensor
    contrast: Tensor
    saturation: Tensor
    hue: Tensor


def draw_jitter(key: Key, ids: Tensor, brightness: float, contrast: float, saturation: float, hue: float) -> Jitter:
    """Draw changes as torchvision's ColorJitter does.

    Args:
        key: of the draws.
        ids: [B].
        brightness: factors are in [max(0, 1 - brightness), 1 + brightness]; so are those of contrast and saturation.
        contrast: see brightness.
        saturation: see brightness.
        hue: turns are in [-hue, hue]; at most half a turn.
    """
    drawn = uniforms(key, ids, 4).unbind(1)
    first, second, third = (between(own, max(0.0, 1 - strength), 1 + strength)
                            for own, strength in zip(drawn, (brightness, contrast, saturation), strict=False))
    return Jitter(first, second, third, between(drawn[3], -hue, hue))


def jitter(images: Tensor, changes: Jitter) -> Tensor:
    """Change brightness, contrast, saturation and hue of images [B, C, H, W], in this order; gray has the first two.

    Each is torchvision's adjust_ function of that name, whose ColorJitter also shuffles their order.
    """
    brightness, contrast, saturation, hue = (change.to(images)[:, None, None, None] for change in changes)
    changed = (images * brightness).clamp(0, 1)
    changed = _blended(changed, _gray(changed).mean(dim=(1, 2, 3), keepdim=True), contrast)
    if images.shape[1] == 1:
        return changed
    return turn_hue(_blended(changed, _gray(changed), saturation), hue)


def turn_hue(images: Tensor, turns: Tensor) -> Tensor:
    """Turn the hue of images [B, 3, H, W] by turns [B, 1, 1, 1], saturation and value kept.

    Source: Smith, Color gamut transform pairs, 1978.
    """
    value, largest = images.max(dim=1, keepdim=True)
    chroma = value - images.amin(dim=1, keepdim=True)
    # Of the largest channel: how far the next one is ahead of the one after it, and its own place on the circle.
    ahead = images.gather(1, (largest + 1) % 3) - images.gather(1, (largest + 2) % 3)
    sixths = ahead / chroma.where(chroma > 0, 1) + 2 * largest + 6 * turns
    places = torch.tensor([5.0, 3.0, 1.0], device=images.device, dtype=images.dtype).view(1, 3, 1, 1)
    distance = (places + sixths).remainder(6)
    return value - chroma * torch.minimum(distance, 4 - distance).clamp(0, 1)


def _gray(images: Tensor) -> Tensor:
    if images.shape[1] == 1:
        return images
    red, green, blue = images[:, :1], images[:, 1:2], images[:, 2:]
    return LUMA[0] * red + LUMA[1] * green + LUMA[2] * blue


def _blended(images: Tensor, others: Tensor, factors: Tensor) -> Tensor:
    return (factors * images + (1 - factors) * others).clamp(0, 1)
