"""Training on adversarial examples. B batch, R members."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, ClassVar

from dlx.core.ranges import NonNegative, Positive, Range
from dlx.core.types import Layout

if TYPE_CHECKING:
    from torch import Tensor

    from dlx.core.hooks import Moment

Steps = Annotated[int, Range("[1, 1000]")]


class AdversarialTraining:
    """Trains on inputs x + d, |d| ≤ epsilon in each number, at which the loss is large.

    num_steps ascents d ← clip(d + step_size · sign(∂loss/∂x), -epsilon, epsilon) from a random d: projected gradient
    descent of Madry, Makelov, Schmidt, Tsipras and Vladu, Towards deep learning models resistant to adversarial
    attacks, 2018. With num_steps=1 and random_start=false it is the fast gradient sign method of Goodfellow, Shlens and
    Szegedy, Explaining and harnessing adversarial examples, 2015, who train on clean inputs, too. The attacked model is
    in eval mode.

    Args:
        epsilon: as the model sees inputs, after preprocessing, in [0, inf).
        num_steps: ascents, in [1, 1000]; each costs a forward and a backward pass.
        step_size: of an ascent, in (0, inf); null is epsilon for one step, else 2.5 · epsilon / num_steps.
        random_start: begin with d even between -epsilon and epsilon, instead of 0.
    """

    MEMBER_VALUES: ClassVar[tuple[str, ...]] = ("epsilon",)
    layouts: ClassVar[tuple[Layout, ...]] = ("image", "table")

    def __init__(self, epsilon: NonNegative, num_steps: Steps, step_size: Positive | None, random_start: bool) -> None:
        self.epsilon = epsilon
        self.num_steps = num_steps
        self.step_size = step_size
        self.random_start = random_start

    def on_inputs(self, inputs: Tensor, losses_of: Callable[[Tensor], Tensor], moment: Moment) -> Tensor:
        """Return the moved inputs [R·B, ...]."""
        import torch

        from dlx.core.members import per_example

        bound = per_example(self.epsilon, inputs)
        share = 1.0 if self.num_steps == 1 else 2.5 / self.num_steps
        step_size = bound * share if self.step_size is None else self.step_size
        moves = torch.zeros_like(inputs)
        if self.random_start:
            moves = (2 * moment.draws.uniform_of_examples(inputs) - 1) * bound
        for _ in range(self.num_steps):
            moved = (inputs + moves).detach().requires_grad_()
            gradient, = torch.autograd.grad(losses_of(moved).sum(), moved)
            moves = (moves + step_size * gradient.sign()).clamp(-bound, bound)  # type: ignore[arg-type]
        return inputs + moves
