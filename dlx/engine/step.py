"""One training step. B batch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from dlx.core.layers import Dropout
from dlx.core.random import key, torch_generator
from dlx.core.types import Batch, Loss, OnBatch, OnGradient, Penalty


@dataclass(frozen=True)
class Step:
    """Forward, loss, backward, update; hooks of regularizers in their four places.

    Args:
        seed: of the run.
        forward: the model in training mode, or its compiled form.
        params: its parameters, in order, views of `vector`.
        vector: all parameters as one, see `dlx.engine.flat`.
        loss: per example.
        optimizer: over the vector; `update` is its step.
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
    update: Callable[[], object]
    precision: Callable[[], AbstractContextManager[object]]
    noise: torch.Generator | None
    on_batch: Sequence[tuple[str, OnBatch]]
    penalties: Sequence[Penalty]
    on_gradient: Sequence[OnGradient]

    def __call__(self, batch: Batch, step: int, lr: float) -> tuple[Tensor, Tensor]:
        """Update the parameters once.

        Args:
            batch: B examples.
            step: counted from 0 over the whole run.
            lr: the learning rate of this step.

        Returns:
            The minimised loss (mean over B plus penalties, before the update) and the L2 norm of its gradient before
            clipping: two scalar tensors on the device.
        """
        if self.noise is not None:
            self.noise.manual_seed(key(self.seed, "dropout", step))
        for name, hook in self.on_batch:
            batch = hook.on_batch(batch, torch_generator(self.seed, name, step))
        gradient = self.vector.grad
        assert gradient is not None, "the vector keeps its gradient"
        gradient.zero_()
        with self.precision():
            loss = self.loss(self.forward(batch.inputs), batch.targets).mean()
        for penalty in self.penalties:
            loss = loss + penalty.penalty(self.params)
        loss.backward()  # type: ignore[no-untyped-call]
        norm: Tensor = torch.linalg.vector_norm(gradient)
        for clip in self.on_gradient:
            clip.on_gradient(self.params, norm)
        for group in self.optimizer.param_groups:
            group["lr"] = lr
        with torch.no_grad():
            self.update()
        return loss.detach(), norm


def bind_noise(model: nn.Module, device: torch.device) -> torch.Generator | None:
    """Give the dropout layers that are on one generator on the device; return it, or None where there are none."""
    layers = [module for module in model.modules() if isinstance(module, Dropout) and module.rate > 0]
    if not layers:
        return None
    generator = torch.Generator(device)
    for layer in layers:
        layer.generator = generator
    return generator
