"""One training step. B batch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from dlx.core.layers import Dropout
from dlx.core.random import key, torch_generator
from dlx.core.types import Batch, Loss, OnBatch, OnGradient, Penalty


class Taken(NamedTuple):
    """What a step was, as tensors on the device.

    losses [B], per example, before the update; penalty, the sum of penalties, a scalar, None without any; norm, the L2
    norm of the gradient of mean loss plus penalty before clipping, a scalar.
    """

    losses: Tensor
    penalty: Tensor | None
    norm: Tensor


@dataclass(frozen=True)
class Step:
    """Forward, loss, backward, update; hooks of regularizers in their four places.

    Args:
        seed: of the run.
        forward: the model in training mode, or its compiled form.
        params: its parameters, in order, views of `vector`.
        vector: all parameters as one, see `dlx.engine.flat`.
        loss: per example.
        optimizer: over the vector.
        precision: makes the context of the forward pass.
        noise: the generator that dropout layers draw from, seeded anew at every step; None where there are none.
        on_batch, penalties, on_gradient: the hooks, on_batch by name.
    """

    seed: int
    forward: Callable[[Tensor], Tensor]
    params: Sequence[nn.Parameter]
    vector: nn.Parameter
    loss: Loss
    optimizer: torch.optim.Optimizer
    precision: Callable[[], AbstractContextManager[object]]
    noise: torch.Generator | None
    on_batch: Sequence[tuple[str, OnBatch]]
    penalties: Sequence[Penalty]
    on_gradient: Sequence[OnGradient]

    def __call__(self, batch: Batch, step: int, lr: float) -> Taken:
        """Update the parameters once.

        Args:
            batch: B examples.
            step: counted from 0 over the whole run.
            lr: the learning rate of this step.
        """
        if self.noise is not None:
            self.noise.manual_seed(key(self.seed, "dropout", step))
        for name, hook in self.on_batch:
            batch = hook.on_batch(batch, torch_generator(self.seed, name, step))
        gradient = self.vector.grad
        assert gradient is not None, "the vector keeps its gradient"
        gradient.zero_()
        with self.precision():
            losses = self.loss(self.forward(batch.inputs), batch.targets)
        penalty = sum_of(self.penalties, self.params)
        # The gradient of the mean, without making the mean.
        losses.backward(torch.full_like(losses, 1 / len(losses)))  # type: ignore[no-untyped-call]
        if penalty is not None:
            penalty.backward()  # type: ignore[no-untyped-call]
        norm: Tensor = torch.linalg.vector_norm(gradient)
        for clip in self.on_gradient:
            clip.on_gradient(self.params, norm)
        for group in self.optimizer.param_groups:
            group["lr"] = lr
        self.optimizer.step()
        return Taken(losses.detach(), None if penalty is None else penalty.detach(), norm)


def sum_of(penalties: Sequence[Penalty], params: Sequence[Tensor]) -> Tensor | None:
    """Return the sum of the penalties, a scalar, or None where there are none."""
    values = [penalty.penalty(params) for penalty in penalties]
    return torch.stack(values).sum() if values else None


def bind_noise(model: nn.Module, device: torch.device) -> torch.Generator | None:
    """Give the dropout layers that are on one generator on the device; return it, or None where there are none."""
    layers = [module for module in model.modules() if isinstance(module, Dropout) and module.rate > 0]
    if not layers:
        return None
    generator = torch.Generator(device)
    for layer in layers:
        layer.generator = generator
    return generator
