"""The loss along lines and planes through weights. P weights."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor


def filter_normalized(parts: Sequence[Tensor], draws: Sequence[Tensor]) -> Tensor:
    """Return a direction [P] whose filters have the norms of those of the weights.

    Li, Xu, Taylor, Studer and Goldstein, Visualizing the loss landscape of neural nets, 2018, section 4. A filter is
    what makes one output: a row along the first axis. Tensors of fewer than two axes, biases and gains, stay.

    Args:
        parts: the weights; draws: of the same shapes, random.
    """
    return torch.cat([_filters(part, draw).flatten() for part, draw in zip(parts, draws, strict=True)])


def _filters(part: Tensor, draw: Tensor) -> Tensor:
    if part.ndim < 2:
        return torch.zeros_like(part)
    axes = tuple(range(1, part.ndim))
    own, drawn = (torch.linalg.vector_norm(each, dim=axes, keepdim=True) for each in (part, draw))
    scaled: Tensor = draw * (own / drawn.clamp(min=torch.finfo(part.dtype).tiny))
    return scaled


def steps(half: int, reach: float) -> np.ndarray:
    """Return 2 · half + 1 even steps from -reach to reach, 0 exactly in the middle."""
    return np.arange(-half, half + 1) * (reach / half)


def barrier(shares: np.ndarray, losses: np.ndarray) -> float:
    """Return how far the loss rises above the straight line between its ends, at least 0.

    max over α of L(α) − ((1 − α) · L(0) + α · L(1)), of shares α [n] from 0 to 1 and losses [n] (Frankle, Dziugaite,
    Roy and Carbin, Linear mode connectivity and the lottery ticket hypothesis, 2020, with the line for the mean).
    """
    return max(0.0, float((losses - ((1 - shares) * losses[0] + shares * losses[-1])).max()))
