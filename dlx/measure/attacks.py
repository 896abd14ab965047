"""Attacks on inputs within a box: the fast gradient sign method and projected gradient descent.

N examples, C classes. Inputs are in the space where the attacker acts, such as grey values in [0, 1].
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

# Maps inputs [N, ...] and targets [N] to what the attacker maximises, [N], and to the harm that is done, [N]: 1 where a
# classifier is wrong, else 0; of a regression its loss.
Judge = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
# Of PGD's steps, so that they can reach any point of the box from any other: Madry et al. 2018.
REACH = 2.5
ROWS = 512


class Box(NamedTuple):
    """Where inputs may be moved: at most epsilon from where they are, within [low, high], None without such bounds."""

    epsilon: float
    low: float | None
    high: float | None

    def around(self, inputs: Tensor, moved: Tensor) -> Tensor:
        """Return moved inputs, projected into the box around inputs."""
        moved = torch.minimum(torch.maximum(moved, inputs - self.epsilon), inputs + self.epsilon)
        return moved if self.low is None and self.high is None else moved.clamp(self.low, self.high)


def margin(logits: Tensor, targets: Tensor) -> Tensor:
    """Return max_{j ≠ y} z_j − z_y of logits [N, C], [N]: above 0 where the model is wrong."""
    own = logits.gather(1, targets[:, None])[:, 0]
    others = logits.scatter(1, targets[:, None], float("-inf"))
    return others.amax(dim=1) - own


def noise(inputs: Tensor, box: Box, generator: torch.Generator) -> Tensor:
    """Return inputs moved to a random corner of the box: as far as an attack, without looking at the model."""
    signs = torch.randint(0, 2, inputs.shape, generator=generator).to(inputs) * 2 - 1
    return box.around(inputs, inputs + box.epsilon * signs)


def fgsm(judge: Judge, inputs: Tensor, targets: Tensor, box: Box) -> Tensor:
    """Return x + ε sign(∂goal/∂x), clipped to the box (Goodfellow, Shlens and Szegedy 2015)."""
    slope, _ = ascent(judge, inputs, targets)
    return box.around(inputs, inputs + box.epsilon * slope.sign())


def pgd(judge: Judge, inputs: Tensor, targets: Tensor, box: Box, num_steps: int, start: Tensor,
        taken: int | None = None, enough: float = math.inf) -> Tensor:
    """Return the largest harm, [N], at the points of x ← clip(x + α sign(∂goal/∂x)) (Madry et al. 2018).

    α is 2.5 ε / num_steps. Of every example the worst point on the way counts, so that a further step never helps the
    model.

    Args:
        start: where to begin, in the box around the inputs.
        taken: how many of the steps are made; None for all.
        enough: an example whose harm reaches it is left alone.
    """
    moved, worst = start.clone(), torch.full_like(inputs.flatten(1)[:, 0], -math.inf)
    active = torch.arange(len(inputs), device=inputs.device)
    for _ in range(num_steps if taken is None else taken):
        slope, harm = ascent(judge, moved[active], targets[active])
        worst[active] = worst[active].maximum(harm)
        left = harm < enough
        active, slope = active[left], slope[left]
        if not len(active):
            return worst
        step = REACH * box.epsilon / num_steps * slope.sign()
        moved[active] = box.around(inputs[active], moved[active] + step)
    worst[active] = worst[active].maximum(harm_at(judge, moved[active], targets[active]))
    return worst


def random_start(inputs: Tensor, box: Box, generator: torch.Generator) -> Tensor:
    """Return a uniform point of the box around each input."""
    draws = torch.rand(inputs.shape, generator=generator, dtype=torch.float64).to(inputs)
    return box.around(inputs, inputs + box.epsilon * (2 * draws - 1))


def ascent(judge: Judge, inputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Return ∂goal/∂x [N, ...] of each example by itself, and the harm at x, [N]."""
    slopes, harms = [], []
    for low in range(0, len(inputs), ROWS):
        own = inputs[low : low + ROWS].detach().requires_grad_()
        goal, harm = judge(own, targets[low : low + ROWS])
        slopes.append(torch.autograd.grad(goal.sum(), own)[0])
        harms.append(harm.detach())
    return torch.cat(slopes), torch.cat(harms)


def harm_at(judge: Judge, inputs: Tensor, targets: Tensor) -> Tensor:
    """Return the harm at inputs [N, ...], [N], without gradients."""
    with torch.no_grad():
        return torch.cat([judge(inputs[low : low + ROWS], targets[low : low + ROWS])[1]
                          for low in range(0, len(inputs), ROWS)])
