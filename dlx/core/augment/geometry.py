"""Where the pixels of images go: crop, flip, rotation, affine. B examples, C channels, H × W pixels."""

from __future__ import annotations

import functools
import math
from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from dlx.core.augment.draws import Key, between, uniforms, whole

Interpolation = Literal["nearest", "bilinear"]


class Affine(NamedTuple):
    """Affine maps about the centre of images, as of torchvision's `affine`.

    angles [B]: degrees, clockwise; shifts [B, 2]: pixels to the right and down; scales [B]; shears [B, 2]: degrees, of
    x and of y.
    """

    angles: Tensor
    shifts: Tensor
    scales: Tensor
    shears: Tensor


def draw_crop(key: Key, ids: Tensor, padding: int) -> Tensor:
    """Draw the upper left corners of crops in padded images, rows and columns, int64 [B, 2] in 0 … 2·padding."""
    return whole(uniforms(key, ids, 2), 2 * padding + 1)


def crop(images: Tensor, corners: Tensor, padding: int, fill: float) -> Tensor:
    """Pad images on all sides, and cut out of each the window of the old size at its corner.

    Source: Krizhevsky, Sutskever and Hinton, 2012; with padding, Lee et al., Deeply-supervised nets, 2015.

    Args:
        images: [B, C, H, W], of any type.
        corners: int64 [B, 2], of rows and columns.
        padding: pixels.
        fill: value of the pixels of the padding.
    """
    height, width = images.shape[2:]
    padded = F.pad(images, (padding,) * 4, value=fill)
    windows = padded.unfold(2, height, 1).unfold(3, width, 1)
    top, left = corners.to(images.device).unbind(1)
    return windows[torch.arange(len(images), device=images.device), :, top, left]


def draw_flip(key: Key, ids: Tensor, rate: float) -> Tensor:
    """Draw which examples are flipped, bool [B]."""
    return uniforms(key, ids, 1)[:, 0] < rate


def flip(images: Tensor, flipped: Tensor, vertical: bool = False) -> Tensor:
    """Mirror some of images [B, C, H, W], left to right or upside down."""
    return torch.where(flipped.to(images.device)[:, None, None, None], images.flip(2 if vertical else 3), images)


def draw_rotation(key: Key, ids: Tensor, degrees: float) -> Tensor:
    """Draw angles in [-degrees, degrees], [B]."""
    return between(uniforms(key, ids, 1)[:, 0], -degrees, degrees)


def rotate(images: Tensor, angles: Tensor, interpolation: Interpolation, fill: float) -> Tensor:
    """Turn images [B, C, H, W] about their centre, counter-clockwise by angles [B] in degrees; see `warp`."""
    return warp(images, _turn(angles), interpolation, fill)


def draw_affine(key: Key, ids: Tensor, degrees: float, shift: tuple[float, float], scale: tuple[float, float],
                shear: float) -> Affine:
    """Draw affine maps as torchvision's RandomAffine does.

    Args:
        key: of the draws.
        ids: [B].
        degrees: the greatest angle either way.
        shift: the greatest number of pixels to the sides and up or down; whole pixels are drawn.
        scale: the least and the greatest.
        shear: the greatest angle of either axis, in degrees.
    """
    drawn = uniforms(key, ids, 6)
    signed = 2 * drawn - 1
    shifts = (signed[:, 1:3] * torch.tensor(shift, device=ids.device)).round()
    return Affine(degrees * signed[:, 0], shifts, between(drawn[:, 3], *scale), shear * signed[:, 4:6])


def affine(images: Tensor, maps: Affine, interpolation: Interpolation, fill: float) -> Tensor:
    """Turn, shear, scale and shift images [B, C, H, W]; see `warp`."""
    return warp(images, inverse(maps), interpolation, fill)


def inverse(maps: Affine) -> Tensor:
    """Return the maps [B, 2, 3] from places in the result to places in the image, in pixels from the centre.

    The forward map is shift · rotation · shear · scale, with the formula of torchvision's `affine`.
    """
    turn, shear = torch.deg2rad(maps.angles), torch.deg2rad(maps.shears)
    tan_x, cos_y = shear[:, 0].tan(), shear[:, 1].cos()
    cos, sin = (turn - shear[:, 1]).cos() / cos_y, (turn - shear[:, 1]).sin() / cos_y
    rows = torch.stack([turn.cos() - sin * tan_x, cos * tan_x + turn.sin(), -sin, cos], dim=1)
    linear = rows.view(-1, 2, 2) / maps.scales[:, None, None]
    return torch.cat([linear, -linear @ maps.shifts[:, :, None]], dim=2)


def warp(images: Tensor, maps: Tensor, interpolation: Interpolation, fill: float) -> Tensor:
    """Take every pixel of the result from where its map says in the image.

    Args:
        images: floats [B, C, H, W].
        maps: [B, 2, 3], from the result to the image, as `inverse` returns them.
        interpolation: "bilinear" changes little where rounding does; "nearest" may take another pixel then.
        fill: value of everything outside the image. At its edge "bilinear" mixes it with the pixels by their shares.
    """
    grid = _grid(maps.to(images.device), images.shape[2], images.shape[3])
    moved = images if fill == 0 else images - fill
    sampled = F.grid_sample(moved, grid.to(images.dtype), mode=interpolation, align_corners=False)
    return sampled if fill == 0 else sampled + fill


def _turn(angles: Tensor) -> Tensor:
    turn = angles * (math.pi / 180)
    cos, sin = turn.cos(), turn.sin()
    zero = torch.zeros_like(cos)
    return torch.stack([cos, -sin, zero, sin, cos, zero], dim=1).view(-1, 2, 3)


def _grid(maps: Tensor, height: int, width: int) -> Tensor:
    """Return [B, H, W, 2]: where each pixel comes from, -1 to 1 from edge to edge.

    torch's affine_grid multiplies matrices for it and takes ten times as long. Here x and y lie in planes of their own,
    which grid_sample reads faster.
    """
    columns, rows, halves = _pixels(height, width, maps.device)
    scaled = maps / halves
    planes = scaled[:, :, :1] * columns
    planes.addcmul_(scaled[:, :, 1:2], rows).add_(scaled[:, :, 2:])
    return planes.view(-1, 2, height, width).permute(0, 2, 3, 1)


@functools.lru_cache(maxsize=8)
def _pixels(height: int, width: int, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """Return x and y of the pixels from the centre, each [H·W], and half of width and height, [2, 1]."""
    columns = torch.arange(width, device=device) - (width - 1) / 2
    rows = torch.arange(height, device=device) - (height - 1) / 2
    halves = torch.tensor([[width / 2], [height / 2]], device=device)
    return columns.repeat(height), rows.repeat_interleave(width), halves
