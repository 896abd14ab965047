"""How much the loss rises near the weights: at worst, and on average. P weights."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Literal, NamedTuple

import torch
from torch import Tensor

Norm = Literal["l2", "linf"]
# A point [P] to the value there and its gradient [P].
Objective = Callable[[Tensor], tuple[float, Tensor]]
# Of the step before last in a step, as in APGD.
MOMENTUM = 0.75
# Share of the steps between two looks that must have found a higher value, or steps become half as long.
FRUITFUL = 0.75


class Ascent(NamedTuple):
    """Values of an objective: at 0, after one step to the edge, and the highest that was found."""

    start: float
    one_step: float
    best: float


def ascend(objective: Objective, zero: Tensor, norm: Norm, radius: float, num_steps: int) -> Ascent:
    """Look for the highest value within a ball around 0.

    APGD (Croce and Hein, Reliable evaluation of adversarial robustness, 2020, algorithm 1), which starts at 0 with
    steps of 2 · radius: its first step, along the gradient to the edge of the ball, is the step of SAM. Steps become
    half as long, and start from the best point, where they stop being fruitful.

    Args:
        zero: the vector 0 [P].
        num_steps: gradients; the value is known at as many points and at the last one.
    """
    value, gradient = objective(zero)
    start = best = value
    point, previous, best_point, best_gradient = zero, zero, zero, gradient
    step, looks, rises = 2 * radius, set(_looks(num_steps)), 0
    last_look, last_step, last_best = 0, step, best
    one_step = start
    for number in range(num_steps):
        ahead = _project(point + step * _direction(gradient, norm), norm, radius)
        if number > 0:
            ahead = _project(point + MOMENTUM * (ahead - point) + (1 - MOMENTUM) * (point - previous), norm, radius)
        previous, point = point, ahead
        value, gradient = objective(point)
        one_step = value if number == 0 else one_step
        if value > best:
            best, best_point, best_gradient, rises = value, point, gradient, rises + 1
        if number + 1 in looks:
            if rises < FRUITFUL * (number + 1 - last_look) or (last_step == step and last_best == best):
                step, point, previous, gradient = step / 2, best_point, best_point, best_gradient
                last_step = 2 * step
            else:
                last_step = step
            last_look, last_best, rises = number + 1, best, 0
    return Ascent(start, one_step, best)


def _looks(num_steps: int) -> Iterator[int]:
    """Yield the steps after which progress is looked at: every 22% of them, then ever sooner, to 6%."""
    share, length = 0.0, 0.22
    while math.ceil((share + length) * num_steps) < num_steps:
        share += length
        yield math.ceil(share * num_steps)
        length = max(length - 0.03, 0.06)


def _direction(gradient: Tensor, norm: Norm) -> Tensor:
    if norm == "linf":
        return gradient.sign()
    size = gradient.norm()
    return gradient / size if float(size) > 0 else gradient


def _project(point: Tensor, norm: Norm, radius: float) -> Tensor:
    if norm == "linf":
        return point.clamp(-radius, radius)
    size = float(point.norm())
    return point * (radius / size) if size > radius else point


def scaled(objective: Objective, weights: Tensor, scale: Tensor | float) -> Objective:
    """Return u ↦ objective(w + scale · u): a ball of u is an ellipsoid, or a box, around w."""

    def moved(u: Tensor) -> tuple[float, Tensor]:
        value, gradient = objective(weights + scale * u)
        return value, scale * gradient

    return moved


def adaptive_scale(parts: list[Tensor], eta: float) -> Tensor:
    """Return |w| + η for weights, tensors of two axes or more, and 0 for biases and gains, which are not moved: [P]."""
    return torch.cat([(part.abs() + eta if part.ndim > 1 else torch.zeros_like(part)).flatten() for part in parts])
