"""Gaussian noise on numbers of any layout: pixels, columns of a table. B examples."""

from __future__ import annotations

from torch import Tensor

from dlx.core.augment.draws import Key, normals


def draw_noise(key: Key, ids: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Draw standard normal noise for inputs of a shape, [B, *shape]."""
    count = 1
    for size in shape:
        count *= size
    return normals(key, ids, count).view(-1, *shape)


def add_noise(inputs: Tensor, noise: Tensor, scale: float | Tensor, limits: tuple[float, float] | None = None
              ) -> Tensor:
    """Return inputs + scale · noise.

    Source: Bishop, Training with noise is equivalent to Tikhonov regularization, 1995.

    Args:
        inputs: floats [B, ...].
        noise: as inputs.
        scale: of all, or of the shape of one input: a share of each column's standard deviation, say. What has scale 0
            stays as it is: codes of categories must have it.
        limits: results outside are set to the nearer one.
    """
    factor = scale.to(inputs) if isinstance(scale, Tensor) else scale
    noisy = inputs + factor * noise.to(inputs)
    return noisy if limits is None else noisy.clamp(*limits)
