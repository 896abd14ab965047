"""One training step of R members, 1 in a run alone. B batch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from dlx.core.layers import Dropout
from dlx.core.random import key, torch_generator
from dlx.core.ranks import ALONE, Ranks
from dlx.core.types import Batch, Loss, OnBatch, OnGradient, Penalty
from dlx.engine.flat import Flat


@dataclass(frozen=True)
class Step:
    """Forward, loss, backward, update; hooks of regularizers in their four places.

    Args:
        seeds: of the members.
        forward: the model in training mode, or its compiled form: inputs [R·B, ...] to outputs [R·B, ...].
        flat: the parameters, see `dlx.engine.flat`.
        loss: per example.
        optimizer: over rows of the parameters, see `dlx.engine.optimize`; `update` is its step.
        precision: makes the context of the forward pass.
        noise: each member's generator that dropout layers draw from, seeded anew at every step; empty where there are
            none.
        on_batch: each member's hooks, by name.
        penalties, on_gradient: the hooks of all members together.
        ranks: the processes that share each batch; the gradient is that of all of it.
    """

    seeds: Sequence[int]
    forward: Callable[[Tensor], Tensor]
    flat: Flat
    loss: Loss
    optimizer: torch.optim.Optimizer
    update: Callable[[], object]
    precision: Callable[[], AbstractContextManager[object]]
    noise: Sequence[torch.Generator]
    on_batch: Sequence[Sequence[tuple[str, OnBatch]]]
    penalties: Sequence[Penalty]
    on_gradient: Sequence[OnGradient]
    ranks: Ranks = ALONE

    def __call__(self, batch: Batch, step: int, lrs: Sequence[float]) -> tuple[Tensor, Tensor]:
        """Update the parameters once. What happens in one member never reaches another.

        Args:
            batch: B examples of each member, the same in every process.
            step: counted from 0 over the whole run.
            lrs: the learning rate of this step, by setting of members.

        Returns:
            Each member's minimised loss (mean over B plus penalties, before the update) and the L2 norm of its gradient
            before clipping: two tensors [R] on the device. Of several processes, each returns its part of the loss.
        """
        for seed, generator in zip(self.seeds, self.noise, strict=False):
            generator.manual_seed(key(seed, "dropout", step))
        if any(self.on_batch):
            batch = self._changed(batch, step)
        batch = self.ranks.share(batch, len(self.seeds))
        self.flat.gradient.zero_()
        with self.precision():
            losses = self.ranks.mean(self.loss(self.forward(batch.inputs), batch.targets), len(self.seeds))
        if self.penalties and self.ranks.rank == 0:
            params = self._differentiable()
            for penalty in self.penalties:
                losses = losses + penalty.penalty(params)
        losses.sum().backward()  # type: ignore[no-untyped-call]
        self.ranks.sum(self.flat.gradient)
        norms = self.flat.gradient_norms()
        for clip in self.on_gradient:
            clip.on_gradient(self.flat.params, norms)
        for group in self.optimizer.param_groups:
            group["lr"] = lrs[group["setting"]] * group["lr_multiplier"]
        with torch.no_grad():
            self.update()
        return losses.detach(), norms

    def _differentiable(self) -> Sequence[Tensor]:
        # As [R, *shape], with the model's own parameters behind them.
        return [leaf.view(param.shape) for leaf, param in zip(self.flat.leaves, self.flat.params, strict=True)]

    def _changed(self, batch: Batch, step: int) -> Batch:
        members = zip(*(tensor.chunk(len(self.seeds)) for tensor in batch), strict=True)
        changed = []
        for own, seed, hooks in zip(members, self.seeds, self.on_batch, strict=True):
            one = Batch(*own)
            for name, hook in hooks:
                one = hook.on_batch(one, torch_generator(seed, name, step))
            changed.append(one)
        return changed[0] if len(changed) == 1 else Batch(*map(torch.cat, zip(*changed, strict=True)))


def bind_noise(model: nn.Module, rates: Sequence[Sequence[float]], device: torch.device, ranks: Ranks = ALONE
               ) -> list[torch.Generator]:
    """Give the dropout layers that are on one generator per member, on the device; none where all are off.

    Args:
        model: plain or stacked.
        rates: each member's rates, by layer in the order of `model.modules()`.
    """
    layers = [module for module in model.modules() if isinstance(module, Dropout)]
    if not any(map(any, rates)):
        return []
    generators = [torch.Generator(device) for _ in rates]
    for layer, own in zip(layers, zip(*rates, strict=True), strict=True):
        layer.draws = list(zip(own, generators, strict=True)) if any(own) else ()
        layer.ranks = ranks
    return generators


def dropout_rates(model: nn.Module) -> list[float]:
    """Return the rate of every dropout layer, in the order of `model.modules()`."""
    return [module.rate for module in model.modules() if isinstance(module, Dropout)]
