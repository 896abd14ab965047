"""How much the loss rises near the weights: at worst within balls, and on average under noise."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from dlx.core.measures import Measure
from dlx.core.random import key
from dlx.core.types import Split
from dlx.measure.sharpness import Ascent, Norm, adaptive_scale, ascend, scaled
from dlx.report.measuring.flat.ground import Found, Ground


class Ball(NamedTuple):
    """Where the worst weights are looked for: w + scale · u, u within a ball."""

    name: str
    norm: Norm
    radius: float
    scale: Tensor | float


def worst(ground: Ground, radius: float, adaptive_radius: float, adaptive_linf_radius: float, eta: float,
          num_steps: int, batch_size: int) -> Found:
    """Measure how much the loss of each batch rises at worst, and take the mean."""
    scale = adaptive_scale(ground.space.parts(ground.space.weights), eta)
    balls = (Ball("l2", "l2", radius, 1.0), Ball("adaptive l2", "l2", adaptive_radius, scale),
             Ball("adaptive linf", "linf", adaptive_linf_radius, scale))
    return Found([number for ball in balls for number in _worst(ground, ball, num_steps, batch_size)])


def _worst(ground: Ground, ball: Ball, num_steps: int, batch_size: int) -> Iterator[Measure]:
    found: list[tuple[int, Ascent]] = []
    for batch in batches(ground.examples, batch_size):
        objective = functools.partial(ground.space.gradient, examples=batch)
        zero = torch.zeros_like(ground.space.weights)
        at = scaled(objective, ground.space.weights, ball.scale)
        found.append((len(batch.ids), ascend(at, zero, ball.norm, ball.radius, num_steps)))
    sizes = np.array([size for size, _ in found], dtype=np.float64)
    for name, rises in (("one_step_sharpness", [one.one_step - one.start for _, one in found]),
                        ("worst_sharpness", [one.best - one.start for _, one in found])):
        yield ground.measure(name, float(sizes @ rises / sizes.sum()), {"ball": ball.name, "radius": ball.radius})


def batches(examples: Split, batch_size: int) -> Iterator[Split]:
    """Yield the examples in batches, in an order that their ids give, which mixes classes."""
    order = torch.tensor(sorted(range(len(examples.ids)), key=lambda row: key(0, "flatness batches",
                                                                              int(examples.ids[row]))))
    for rows in torch.split(order, batch_size):
        yield Split(*(each[rows.to(each.device)] for each in examples))


def average(ground: Ground, noises: Sequence[float], adaptive_noise: float, num_draws: int) -> Found:
    """Measure how much the loss rises on average under normal noise, the same draws for every size."""
    sizes = [("plain", sigma) for sigma in noises] + [("adaptive", adaptive_noise)]
    weights = ground.space.weights
    rises: list[list[float]] = [[] for _ in sizes]
    for number in range(num_draws):
        draw = ground.draw("noise", number)
        for (name, sigma), own in zip(sizes, rises, strict=True):
            noise = sigma * draw * (weights.abs() if name == "adaptive" else 1.0)
            own.append(ground.space.ask(weights + noise, ground.examples).loss - ground.clean.loss)
    return Found([ground.mean("average_sharpness", own, {"noise": name, "sigma": sigma})
                  for (name, sigma), own in zip(sizes, rises, strict=True)])
