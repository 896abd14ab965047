"""Attacks on inputs within a box: the fast gradient sign method and projected gradient descent.

N examples, C classes. Inputs are in the space where the attacker acts, such as grey values in [0, 1].
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor

# Maps inputs [N, ...] and targets [N] to what the attacker maximises, [N].
Goal = Callable[[Tensor, Tensor], Tensor]
# Maps inputs [N, ...] and targets [N] to whether the model fails, [N]; for a regression to losses [N].
Harm = Callable[[Tensor, Tensor], Tensor]
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


def fgsm(goal: Goal, inputs: Tensor, targets: Tensor, box: Box) -> Tensor:
    """Return x + ε sign(∂goal/∂x), clipped to the box (Goodfellow, Shlens and Szegedy 2015)."""
    return box.around(inputs, inputs + box.epsilon * gradient(goal, inputs, targets).sign())


def pgd(goal: Goal, harm: Harm, inputs: Tensor, targets: Tensor, box: Box, num_steps: int, start: Tensor
        ) -> Iterator[Tensor]:
    """Yield after each step the largest harm so far, [N], of x ← clip(x + α sign(∂goal/∂x)) (Madry et al. 2018).

    α is 2.5 ε / num_steps. Of every example the worst point on the way counts, so that a further step never helps the
    model.

    Args:
        start: where to begin, in the box around the inputs.
    """
    moved, worst = start, harm(start, targets)
    for _ in range(num_steps):
        step = REACH * box.epsilon / num_steps * gradient(goal, moved, targets).sign()
        moved = box.around(inputs, moved + step)
        worst = torch.maximum(worst, harm(moved, targets))
        yield worst


def random_start(inputs: Tensor, box: Box, generator: torch.Generator) -> Tensor:
    """Return a uniform point of the box around each input."""
    draws = torch.rand(inputs.shape, generator=generator, dtype=torch.float64).to(inputs)
    return box.around(inputs, inputs + box.epsilon * (2 * draws - 1))


def gradient(goal: Goal, inputs: Tensor, targets: Tensor) -> Tensor:
    """Return ∂goal/∂x [N, ...] of each example by itself."""
    chunks = []
    for low in range(0, len(inputs), ROWS):
        own = inputs[low : low + ROWS].detach().requires_grad_()
        total = goal(own, targets[low : low + ROWS]).sum()
        chunks.append(torch.autograd.grad(total, own)[0])
    return torch.cat(chunks)


def in_chunks(harm: Harm) -> Harm:
    """Return the same without gradients, a few examples at a time."""

    def chunked(inputs: Tensor, targets: Tensor) -> Tensor:
        with torch.no_grad():
            return torch.cat([harm(inputs[low : low + ROWS], targets[low : low + ROWS])
                              for low in range(0, len(inputs), ROWS)])

    return chunked
