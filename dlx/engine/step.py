"""One training step of R members, 1 in a run alone. B batch."""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn

from dlx.core.draws import Draws
from dlx.core.hooks import Moment, OnBatch
from dlx.core.layers import Dropout
from dlx.core.losses import Loss
from dlx.core.random import key, torch_generator
from dlx.core.ranks import ALONE, Ranks, rows_of
from dlx.core.types import Batch
from dlx.engine.flat import Flat
from dlx.engine.hooks import Hooks
from dlx.engine.modes import eval_mode, statistics_kept


@dataclass(frozen=True)
class Step:
    """Forward, loss, backward, update; hooks of regularizers in their places.

    Args:
        seeds: of the members.
        model: in training mode.
        forward: the model or its compiled form: inputs [R·B, ...] to outputs [R·B, ...].
        flat: the parameters, see `dlx.engine.flat`.
        loss: per example.
        optimizer: over rows of the parameters, see `dlx.engine.optimize`; `update` is its step.
        precision: makes the context of the forward pass.
        noise: each member's generator that dropout layers draw from, seeded anew at every step; empty where there are
            none.
        on_batch: each member's hooks, by name.
        hooks: those of all members together.
        accumulation: parts in which a batch is computed, one after the other; their gradients add up.
        searches: the optimizer takes a closure; hooks on the gradient are then not asked.
        ranks: the processes that share each batch; the gradient is that of all of it.
    """

    seeds: Sequence[int]
    model: nn.Module
    forward: Callable[[Tensor], Tensor]
    flat: Flat
    loss: Loss
    optimizer: torch.optim.Optimizer
    update: Callable[..., object]
    precision: Callable[[], AbstractContextManager[object]]
    noise: Sequence[torch.Generator]
    on_batch: Sequence[Sequence[tuple[str, OnBatch]]]
    hooks: Hooks
    accumulation: int = 1
    searches: bool = False
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
        for group in self.optimizer.param_groups:
            group["base_lr"] = lrs[group["setting"]]
            group["lr"] = group["base_lr"] * group["lr_multiplier"]
        if any(self.on_batch):
            batch = self._changed(batch, step)
        losses, norms = (self._search if self.searches else self._descend)(batch, step)
        if self.hooks.after_update:
            with torch.no_grad():
                for bound in self.hooks.after_update:
                    bound.after_update(self._trained())
        return losses, norms

    def _descend(self, batch: Batch, step: int) -> tuple[Tensor, Tensor]:
        """Update along one gradient; return losses and norms at it."""
        losses, norms = self._descent(batch, step)
        trained = self._trained() if self.hooks.on_gradient else ()
        with torch.no_grad():
            for number, (name, hook) in enumerate(self.hooks.on_gradient):
                # As the hook before it left the gradient.
                hook.on_gradient(trained, self.flat.gradient_norms() if number else norms, self._moment(step, name))
            self.update()
        return losses, norms

    def _search(self, batch: Batch, step: int) -> tuple[Tensor, Tensor]:
        """Update by an optimizer that computes loss and gradient as often as it likes; return those of the first."""
        results: list[tuple[Tensor, Tensor]] = []

        def closure() -> Tensor:
            with statistics_kept(self.model) if results else nullcontext():
                losses = self._gradient(batch, step)
            results.append((losses, self.flat.gradient_norms()))
            return self.ranks.sum_in_order(losses).sum()

        with torch.no_grad():
            self.update(torch.enable_grad()(closure))
        return results[0]

    def _descent(self, batch: Batch, step: int) -> tuple[Tensor, Tensor]:
        """Leave in `flat` the gradient to follow; return losses and its norms."""
        losses = self._gradient(batch, step)
        norms = self.flat.gradient_norms()
        for hook in self.hooks.ascends:
            with statistics_kept(self.model), _weights_kept(self.flat):
                with torch.no_grad():
                    hook.ascend(self.flat.params, norms)
                self._gradient(batch, step)
            norms = self.flat.gradient_norms()
        return losses, norms

    def _gradient(self, batch: Batch, step: int) -> Tensor:
        """Leave in `flat` the gradient of a batch where the weights are; return each member's loss [R]."""
        for seed, generator in zip(self.seeds, self.noise, strict=False):
            generator.manual_seed(key(seed, "dropout", step))
        self.flat.gradient.zero_()
        # Of each hook one, so that no part of a batch is given the draws of another.
        moments = {name: self._moment(step, name) for name in self.hooks.drawing}
        total: Tensor | None = None
        for part, share in self._parts(batch):
            losses = self._mean_losses(self.ranks.share(part, len(self.seeds)), moments)
            if share < 1:
                losses = losses * share
            if total is None and self.hooks.penalties and self.ranks.rank == 0:
                params = self._differentiable()
                for penalty in self.hooks.penalties:
                    losses = losses + penalty.penalty(params)
            losses.sum().backward()  # type: ignore[no-untyped-call]
            total = losses.detach() if total is None else total + losses.detach()
        assert total is not None, "a batch is never empty"
        self.ranks.sum(self.flat.gradient)
        return total

    def _parts(self, batch: Batch) -> list[tuple[Batch, float]]:
        """Return the parts of a batch that are computed one after the other, each with its share of the examples."""
        if self.accumulation == 1:
            return [(batch, 1.0)]
        size = len(batch.ids) // len(self.seeds)
        count = min(self.accumulation, size)
        bounds = [size * number // count for number in range(count + 1)]
        return [(self._rows(batch, low, high), (high - low) / size) for low, high in pairwise(bounds)]

    def _rows(self, batch: Batch, low: int, high: int) -> Batch:
        return batch.map(lambda tensor: rows_of(tensor, len(self.seeds), low, high))

    def _mean_losses(self, batch: Batch, moments: Mapping[str, Moment]) -> Tensor:
        """Return this process's part of each member's mean loss, [R], with the penalties of outputs.

        Args:
            moments: of the hooks on inputs and outputs, by name.
        """
        for name, hook in self.hooks.on_inputs:
            with eval_mode(self.model):
                losses_of = functools.partial(self._losses_at, batch)
                moved = hook.on_inputs(batch.inputs, losses_of, moments[name])
            batch = batch._replace(inputs=moved.detach())
        if self.hooks.differentiates_inputs:
            batch = batch._replace(inputs=batch.inputs.detach().requires_grad_())
        with self.precision():
            outputs = self.forward(batch.inputs)
            losses = self._losses(batch, outputs)
            for name, penalty in self.hooks.on_outputs:
                losses = losses + penalty.output_penalty(batch.inputs, outputs, moments[name])
            return self.ranks.mean(losses, len(self.seeds))

    def _losses_at(self, batch: Batch, inputs: Tensor) -> Tensor:
        with self.precision():
            return self._losses(batch, self.forward(inputs))

    def _losses(self, batch: Batch, outputs: Tensor) -> Tensor:
        losses = self.loss(outputs, batch.targets)
        if batch.mixed is None:
            return losses
        others, shares = batch.mixed
        losses = losses * (1 - shares.sum(dim=1))
        for targets, share in zip(others.unbind(1), shares.unbind(1), strict=True):
            losses = losses + share * self.loss(outputs, targets)
        return losses

    def _moment(self, step: int, name: str) -> Moment:
        lrs = [group["base_lr"] for group in self.optimizer.param_groups if group["block"] == 0
               for _ in range(len(group["params"][0]))]
        multipliers = [kind.lr_multiplier for leaf, kind in zip(self.flat.leaves, self.flat.kinds, strict=True)
                       if leaf.requires_grad]
        return Moment(step, lrs, multipliers, Draws(self.seeds, name, step, self.ranks))

    def _trained(self) -> Sequence[nn.Parameter]:
        # Without those that are frozen at this step, see dlx.engine.freeze.
        return [param for leaf, param in zip(self.flat.leaves, self.flat.params, strict=True) if leaf.requires_grad]

    def _differentiable(self) -> Sequence[Tensor]:
        # As [R, *shape], with the model's own parameters behind them.
        return [leaf.view(param.shape) for leaf, param in zip(self.flat.leaves, self.flat.params, strict=True)]

    def _changed(self, batch: Batch, step: int) -> Batch:
        size = len(batch.ids) // len(self.seeds)
        changed = []
        for number, (seed, hooks) in enumerate(zip(self.seeds, self.on_batch, strict=True)):
            one = batch.map(operator.itemgetter(slice(number * size, (number + 1) * size)))
            for name, hook in hooks:
                one = hook.on_batch(one, torch_generator(seed, name, step))
            changed.append(one)
        return changed[0] if len(changed) == 1 else joined(changed)


def joined(batches: Sequence[Batch]) -> Batch:
    """Return the batch of members, each given by itself."""
    inputs, targets, ids, mixed = zip(*batches, strict=True)
    others = None if mixed[0] is None else type(mixed[0])(*map(torch.cat, zip(*mixed, strict=True)))
    return Batch(torch.cat(inputs), torch.cat(targets), torch.cat(ids), others)


@contextmanager
def _weights_kept(flat: Flat) -> Iterator[None]:
    before = flat.values.clone()
    try:
        yield
    finally:
        flat.values.copy_(before)


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
