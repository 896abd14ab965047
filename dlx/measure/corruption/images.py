"""Corruptions of images. N examples, C channels, H × W pixels.

Images of one channel get the levels of MNIST-C (Mu and Gilmer 2019, google-research/mnist-c, corruptions.py), of 28 ×
28 pixels, and others those of CIFAR-10-C (Hendrycks and Dietterich 2019, make_cifar_c.py), of 32 × 32; where CIFAR-10-C
has no such corruption, those of MNIST-C. Levels in pixels are scaled by the shorter side over 28 or 32. Results are
clipped to [0, 1]; bytes are rounded.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from dlx.core.augment.draws import normals, uniforms
from dlx.core.augment.geometry import warp
from dlx.measure.corruption.kind import Change, Corruption

GREY_SIDE, COLOUR_SIDE = 28, 32
BYTE = 255
# A 24-bit number below 1 is below the distribution function of so many events.
_TAIL = 1e-9
# (images in [0, 1], ids, level, key) → numbers.
OnUnit = Callable[[Tensor, Tensor, float, int], Tensor]


def image_corruptions(channels: int, limits: tuple[float, float] = (0.0, 1.0)) -> list[Corruption]:
    """List the corruptions of images.

    Args:
        channels: C.
        limits: of images of floats: what stands for black and for white. Bytes are 0 to 255.
    """
    grey = channels == 1
    return [Corruption(name, mnist if grey or cifar is None else cifar,
                       text.replace("SIDE", str(GREY_SIDE if grey or cifar is None else COLOUR_SIDE)),
                       _on_images(function, limits)) for name, function, mnist, cifar, text in _TABLE]


def limits_of(rows: np.ndarray) -> tuple[float, float]:
    """Return what stands for black and white in images of floats: 0 and 1 where all lie between, else the extremes."""
    low, high = float(rows.min()), float(rows.max())
    return (0.0, 1.0) if (low >= 0 and high <= 1) or low == high else (low, high)


def _on_images(function: OnUnit, limits: tuple[float, float]) -> Change:
    def change(rows: np.ndarray, ids: np.ndarray, level: float, key: int) -> np.ndarray:
        low, high = (0.0, float(BYTE)) if rows.dtype == np.uint8 else limits
        images = torch.from_numpy(((rows.astype(np.float32) - low) / (high - low)).astype(np.float32))
        made = function(images, torch.from_numpy(ids), level, key).clamp(0, 1).numpy()
        if rows.dtype == np.uint8:
            return np.asarray(np.rint(made * BYTE).astype(np.uint8))
        return np.asarray((low + made.astype(np.float64) * (high - low)).astype(rows.dtype))
    return change


def gaussian_noise(images: Tensor, ids: Tensor, level: float, key: int) -> Tensor:
    """Add normal noise of standard deviation `level`."""
    return images + level * _normal(images, ids, key)


def speckle_noise(images: Tensor, ids: Tensor, level: float, key: int) -> Tensor:
    """Add to each value normal noise of standard deviation `level` · value."""
    return images + images * level * _normal(images, ids, key)


def shot_noise(images: Tensor, ids: Tensor, level: float, key: int) -> Tensor:
    """Return Poisson draws of mean value · level, over level: few photons. Values are rounded to 256 shades before."""
    from scipy.special import pdtr
    from scipy.stats import poisson

    means = level * np.arange(BYTE + 1) / BYTE
    width = int(poisson.ppf(1 - _TAIL, level)) + 2
    # One sorted row for all shades: that of shade j lies in [j, j + 1].
    below = (pdtr(np.arange(width), means[:, None]) + np.arange(BYTE + 1)[:, None]).ravel()
    shades = np.rint(images.numpy() * BYTE).astype(np.int64)
    drawn = _uniform(images, ids, key).numpy().astype(np.float64)
    # Of black no photon comes, and looking up costs.
    lit, counts = shades > 0, np.zeros(shades.shape)
    counts[lit] = np.searchsorted(below, (shades + drawn)[lit], side="right") - shades[lit] * width
    return torch.from_numpy((counts / level).astype(np.float32))


def impulse_noise(images: Tensor, ids: Tensor, level: float, key: int) -> Tensor:
    """Set a share `level` of all values to 0 or 1, each as likely."""
    drawn = _uniform(images, ids, key)
    return torch.where(drawn < level / 2, 0.0, torch.where(drawn >= 1 - level / 2, 1.0, images))


def gaussian_blur(images: Tensor, ids: Tensor, level: float, key: int) -> Tensor:
    """Blur with a normal kernel of standard deviation `level` pixels of MNIST or CIFAR; edges are repeated."""
    from scipy.ndimage import gaussian_filter

    width = level * _pixel(images)
    return torch.from_numpy(gaussian_filter(images.numpy(), (0, 0, width, width), mode="nearest", truncate=4.0))


def contrast(images: Tensor, ids: Tensor, level: float, key: int) -> Tensor:
    """Move every value towards its channel's mean: (value - mean) · level + mean."""
    means = images.mean(dim=(2, 3), keepdim=True)
    return (images - means) * level + means


def brightness(images: Tensor, ids: Tensor, level: float, key: int) -> Tensor:
    """Add `level` to the value of hue, saturation and value; of one channel, to the channel."""
    if images.shape[1] != 3:
        return images + level
    value = images.amax(dim=1, keepdim=True)
    raised = (value + level).clamp(max=1)
    # Hue and saturation stay where all channels grow by one factor; of black there are none.
    return torch.where(value > 0, images * (raised / value.clamp(min=1e-12)), raised)


def pixelate(images: Tensor, ids: Tensor, level: float, key: int) -> Tensor:
    """Shrink each side to `level` of its pixels, by averaging, and enlarge it again."""
    height, width = images.shape[2:]
    small = F.adaptive_avg_pool2d(images, (max(1, int(height * level)), max(1, int(width * level))))
    return F.interpolate(small, (height, width), mode="nearest-exact")


def translate(images: Tensor, ids: Tensor, level: float, key: int) -> Tensor:
    """Move by `level` pixels of MNIST along both axes, each to a side that is drawn; 0 comes in."""
    shifts = level * _pixel(images, GREY_SIDE) * _signs(ids, key, 2)
    ones = torch.ones(len(images))
    return _warped(images, ones, ones * 0, ones * 0, ones, shifts)


def rotate(images: Tensor, ids: Tensor, level: float, key: int) -> Tensor:
    """Turn about the centre by `level` radians, to a side that is drawn."""
    angles = level * _signs(ids, key, 1)[:, 0]
    return _warped(images, angles.cos(), -angles.sin(), angles.sin(), angles.cos())


def shear(images: Tensor, ids: Tensor, level: float, key: int) -> Tensor:
    """Shear about the centre by an angle of `level` radians, to a side that is drawn, as scikit-image's matrix does."""
    angles = level * _signs(ids, key, 1)[:, 0]
    return _warped(images, torch.ones(len(images)), -angles.sin(), torch.zeros(len(images)), angles.cos())


def scale(images: Tensor, ids: Tensor, level: float, key: int) -> Tensor:
    """Shrink about the centre to `level` of the size."""
    factor, zero = torch.full((len(images),), 1 / level), torch.zeros(len(images))
    return _warped(images, factor, zero, zero, factor)


_ANGLES = (0.2, 0.4, 0.6, 0.8, 1.0)
_TABLE: list[tuple[str, OnUnit, tuple[float, ...], tuple[float, ...] | None, str]] = [
    ("gaussian_noise", gaussian_noise, (0.08, 0.12, 0.18, 0.26, 0.38), (0.04, 0.06, 0.08, 0.09, 0.1),
     "normal noise of standard deviation {}"),
    ("shot_noise", shot_noise, (60, 25, 12, 5, 3), (500, 250, 100, 75, 50), "Poisson noise of {} photons at white"),
    ("impulse_noise", impulse_noise, (0.03, 0.06, 0.09, 0.17, 0.27), (0.01, 0.02, 0.03, 0.05, 0.07),
     "a share {} of values is 0 or 1"),
    ("speckle_noise", speckle_noise, (0.15, 0.2, 0.35, 0.45, 0.6), (0.06, 0.1, 0.12, 0.16, 0.2),
     "normal noise of standard deviation {} of each value"),
    ("gaussian_blur", gaussian_blur, (1, 2, 3, 4, 6), (0.4, 0.6, 0.7, 0.8, 1),
     "a normal kernel of standard deviation {} pixels of SIDE a side"),
    ("contrast", contrast, (0.4, 0.3, 0.2, 0.1, 0.05), (0.75, 0.5, 0.4, 0.3, 0.15), "distances to the mean times {}"),
    ("brightness", brightness, (0.1, 0.2, 0.3, 0.4, 0.5), (0.05, 0.1, 0.15, 0.2, 0.3), "{} brighter"),
    ("pixelate", pixelate, (0.6, 0.5, 0.4, 0.3, 0.25), (0.95, 0.9, 0.85, 0.75, 0.65), "{} of the pixels per side"),
    ("translate", translate, (1, 2, 3, 4, 5), None, "moved by {} pixels of SIDE a side along both axes"),
    ("rotate", rotate, _ANGLES, None, "turned by {} radians"),
    ("shear", shear, _ANGLES, None, "sheared by {} radians"),
    ("scale", scale, (0.9, 0.8, 0.7, 0.6, 0.5), None, "shrunk to {} of the size"),
]


def _warped(images: Tensor, xx: Tensor, xy: Tensor, yx: Tensor, yy: Tensor, shifts: Tensor | None = None) -> Tensor:
    """Take each pixel of the result from [[xx, xy], [yx, yy]] · place + shift, in pixels from the centre."""
    moves = torch.zeros(len(images), 2) if shifts is None else shifts
    rows = (torch.stack([xx, xy, moves[:, 0]], dim=1), torch.stack([yx, yy, moves[:, 1]], dim=1))
    return warp(images, torch.stack(rows, dim=1), "bilinear", 0.0)


def _pixel(images: Tensor, side: int | None = None) -> float:
    known = GREY_SIDE if images.shape[1] == 1 else COLOUR_SIDE
    return min(images.shape[2:]) / (known if side is None else side)


def _signs(ids: Tensor, key: int, count: int) -> Tensor:
    return torch.where(uniforms(key, ids, count) < 0.5, -1.0, 1.0)


def _normal(images: Tensor, ids: Tensor, key: int) -> Tensor:
    return normals(key, ids, math.prod(images.shape[1:])).view(images.shape)


def _uniform(images: Tensor, ids: Tensor, key: int) -> Tensor:
    return uniforms(key, ids, math.prod(images.shape[1:])).view(images.shape)
