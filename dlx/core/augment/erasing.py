"""Random erasing and cutout. B images of C channels, H × W pixels; T tries.

Source: Zhong, Zheng, Kang, Li and Yang, Random erasing data augmentation, 2017.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from dlx.core.augment.draws import Key, between, uniforms, whole

TRIES = 10


def draw_boxes(key: Key, ids: Tensor, size: tuple[int, int], rate: float, area: tuple[float, float],
               ratio: tuple[float, float]) -> Tensor:
    """Draw what is erased of each example, as torchvision's RandomErasing does.

    Args:
        key: of the draws.
        ids: [B].
        size: (H, W).
        rate: probability that anything of an image is erased.
        area: least and greatest share of the image.
        ratio: least and greatest height by width; its logarithm is uniform.

    Returns:
        int64 [B, 4]: top, left, height and width; height and width 0 where nothing is erased. Of ten drawn boxes the
        first that fits is taken, and none where none does.
    """
    drawn = uniforms(key, ids, 3 + 2 * TRIES)
    areas = size[0] * size[1] * between(drawn[:, 3 : 3 + TRIES], *area)
    ratios = between(drawn[:, 3 + TRIES :], math.log(ratio[0]), math.log(ratio[1])).exp()
    sides = torch.stack([(areas * ratios).sqrt(), (areas / ratios).sqrt()], dim=2).round().long()
    limits = torch.tensor(size, device=ids.device)
    fits = (sides < limits).all(dim=2)
    first = fits.to(torch.int8).argmax(dim=1)  # the first of equals
    chosen = sides[torch.arange(len(sides), device=ids.device), first]
    chosen = chosen * (fits.any(dim=1) & (drawn[:, 0] < rate))[:, None]
    return torch.cat([whole(drawn[:, 1:3], limits - chosen + 1), chosen], dim=1)


def draw_squares(key: Key, ids: Tensor, size: tuple[int, int], side: int) -> Tensor:
    """Draw a square for each example, its centre at any pixel of images of size (H, W).

    Source: DeVries and Taylor, Improved regularization of convolutional neural networks with cutout, 2017.

    Returns:
        int64 [B, 4]: top, left, height and width; part of it may lie outside of the image.
    """
    centres = whole(uniforms(key, ids, 2), torch.tensor(size, device=ids.device))
    return torch.cat([centres - side // 2, torch.full_like(centres, side)], dim=1)


def erase(images: Tensor, boxes: Tensor, value: float) -> Tensor:
    """Set the pixels of boxes [B, 4] in images [B, C, H, W] to a value."""
    top, left, height, width = boxes.to(images.device)[:, :, None].unbind(1)
    rows = torch.arange(images.shape[2], device=images.device)
    columns = torch.arange(images.shape[3], device=images.device)
    vertical, horizontal = (rows >= top) & (rows < top + height), (columns >= left) & (columns < left + width)
    return images.masked_fill((vertical[:, :, None] & horizontal[:, None, :])[:, None], value)
