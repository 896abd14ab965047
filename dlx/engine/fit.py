"""Training: epochs, batches, one step, for R members at once. N examples, B batch."""

from __future__ import annotations

import functools
import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Protocol

import torch
from torch import Tensor

from dlx.core.errors import DivergedError
from dlx.core.hooks import History
from dlx.core.random import torch_generator
from dlx.core.types import Batch
from dlx.engine import history
from dlx.engine.evaluate import beside_train, dead_units, measure
from dlx.engine.feed import Feed
from dlx.engine.flat import Flat
from dlx.engine.freeze import held
from dlx.engine.group import Group, Member, moved, without
from dlx.engine.history import Gradients, Row
from dlx.engine.modes import eval_mode
from dlx.engine.state import Position
from dlx.engine.stored import Stored, read_ahead

# Rows are gathered this many bytes at a time: once for many steps where examples are small, and no more than the
# cache of a core holds.
GATHER_BYTES = 2**20
ALL_EPOCHS = "all epochs done"


class Witness(Protocol):
    """Whoever writes down what training does."""

    def before_step(self, fit: Fit, step: int) -> None:
        """A step is about to be taken. Raises InterruptedRunError to end training."""

    def after_epoch(self, member: Member, row: Row, train_seconds: float, measure_seconds: float) -> None:
        """A member's epoch was measured; the seconds are its share of the group's."""

    def leaves(self, fit: Fit, number: int, why: str | DivergedError) -> None:
        """The training of a member of the group ended."""


@dataclass
class Fit:
    """Training in progress, the one mutable thing of it beside weights and optimizer state.

    Args:
        group: the members that still train.
        position: of all of them within the epoch.
        epochs: after which all end.
    """

    group: Group
    position: Position
    epochs: int
    bounds: Sequence[int] = field(init=False)

    def __post_init__(self) -> None:
        self.bounds = batch_bounds(self.group.feeds["train"].ids.shape[1],
                                   self.group.members[0].parts.settings.batch_size)

    @property
    def steps_per_epoch(self) -> int:
        """Batches of one epoch."""
        return len(self.bounds) - 1

    @property
    def epoch(self) -> int:
        """Epochs completed."""
        return self.group.members[0].progress.epoch

    def settle(self) -> None:
        """Make the losses of the epoch so far those of all processes. Each calls it at the same step."""
        position, ranks = self.position, self.group.placement.ranks
        if ranks.size > 1 and position.settled < len(position.losses):
            fresh = ranks.sum_in_order(torch.stack(position.losses[position.settled :]))
            position.losses[position.settled :] = fresh.unbind()
            position.settled = len(position.losses)

    def lrs_at(self) -> Callable[[int], list[float]]:
        """Return the function from a step of the current epoch to the learning rates."""
        return self.group.optimization.lrs_at(self.steps_per_epoch, self.steps_per_epoch * self.epochs, self.histories)

    @property
    def histories(self) -> list[History]:
        """What each member has measured."""
        return [History(member.progress.rows, member.columns) for member in self.group.members]


def batch_bounds(num_examples: int, batch_size: int) -> list[int]:
    """Return where batches start, and the end: [0, B, 2B, …, N].

    A last batch of one example joins the one before it: batch normalization has no statistics of one.
    """
    bounds = [*range(0, num_examples, batch_size), num_examples]
    if batch_size > 1 and len(bounds) > 2 and bounds[-1] - bounds[-2] == 1:
        del bounds[-2]
    return bounds


def fit(state: Fit, witness: Witness, until: int) -> None:
    """Train until every member's rules or epochs end it, or until an epoch at which all pause.

    A member that ends, by its own rules or because it diverged, leaves the group; the others go on without it.

    Raises:
        InterruptedRunError: the witness had a reason.
    """
    dismiss(state, witness, [stop_reason(member, state.epochs) for member in state.group.members])
    while state.group.members and state.epoch < until:
        started = time.perf_counter()
        train_epoch(state, witness)
        trained = time.perf_counter()
        with measured_weights(state):
            outcomes = measure_epoch(state)
            for number, outcome in enumerate(outcomes):
                if not isinstance(outcome, DivergedError):
                    keep_best(state.group, number, outcome)
        share = len(outcomes)
        train_seconds, measure_seconds = (trained - started) / share, (time.perf_counter() - trained) / share
        endings: list[str | DivergedError | None] = []
        for member, outcome in zip(state.group.members, outcomes, strict=True):
            if not isinstance(outcome, DivergedError):
                witness.after_epoch(member, outcome, train_seconds, measure_seconds)
            endings.append(outcome if isinstance(outcome, DivergedError) else stop_reason(member, state.epochs))
        dismiss(state, witness, endings)


def measured_weights(state: Fit) -> AbstractContextManager[None]:
    """Return a block in which the model has the weights to measure and keep: the average, where there is one."""
    group = state.group
    if group.average is None:
        return nullcontext()
    seeds = [member.parts.settings.order_seed for member in group.members]
    return group.average.in_place(batches(group.feeds["train"], state.bounds, seeds, state.epoch, 0),
                                  group.placement.ranks)


def stop_reason(member: Member, epochs: int) -> str | None:
    """Return why a member's training is over, or None."""
    reason = history.stop_reason(member.progress.rows, member.rules, member.columns)
    return reason or (ALL_EPOCHS if member.progress.epoch >= epochs else None)


def dismiss(state: Fit, witness: Witness, endings: Sequence[str | DivergedError | None]) -> None:
    """Let members that ended leave; endings: of every member, why, or None."""
    leaving = [number for number, why in enumerate(endings) if why is not None]
    for number in leaving:
        why = endings[number]
        assert why is not None
        witness.leaves(state, number, why)
    if leaving:
        staying = [number for number in range(len(endings)) if number not in leaving]
        state.position = moved(state.position, staying)
        state.group = without(state.group, leaving) if staying else replace(state.group, members=())


def train_epoch(state: Fit, witness: Witness) -> None:
    """Take the steps of one epoch that are not yet taken. Nothing here waits for the device."""
    group, position = state.group, state.position
    seeds = [member.parts.settings.order_seed for member in group.members]
    lrs_at = state.lrs_at()
    group.optimization.begin_epoch(state.histories)
    first = state.epoch * state.steps_per_epoch
    layers, last = group.layers, state.steps_per_epoch - 1
    with held(group.model, group.flat, group.optimization.optimizer, state.epoch):
        for batch in batches(group.feeds["train"], state.bounds, seeds, state.epoch, position.step_in_epoch):
            step = first + position.step_in_epoch
            witness.before_step(state, step)
            before = layers.copies() if layers is not None and position.step_in_epoch == last else None
            losses, norms = group.step(batch, step, lrs_at(step))
            if layers is not None and before is not None:
                position.layers = layers.change(before, state.epoch)
            if group.average is not None:
                group.average.update(step, state.steps_per_epoch, state.steps_per_epoch * state.epochs)
            position.losses.append(losses)
            position.norms.append(norms)
            position.step_in_epoch += 1


def batches(split: Feed, bounds: Sequence[int], seeds: Sequence[int], epoch: int, start: int) -> Iterator[Batch]:
    """Yield an epoch's batches from number `start` on; a member's order is a function of its (seed, epoch) alone."""
    num_examples = split.ids.shape[1]
    orders = torch.stack([torch.randperm(num_examples, generator=torch_generator(seed, "order", epoch))
                          for seed in seeds])
    kept = (split.sources, split.target_sources, tuple(range(len(seeds))))
    places = {sources: orders + torch.tensor(sources)[:, None] * num_examples for sources in kept}
    ids, device = split.ids.flatten(), split.inputs.device
    row_bytes = math.prod(split.inputs.shape[1:]) * split.inputs.dtype.itemsize
    per_gather = max(1, GATHER_BYTES // max(1, row_bytes * (bounds[1] - bounds[0]) * len(seeds)))

    def gather(low: int) -> list[tuple[Tensor, ...]]:
        windows = list(pairwise(bounds[low : low + per_gather + 1]))
        rows = {sources: torch.cat([own[:, begin:end].flatten() for begin, end in windows])
                for sources, own in places.items()}
        gathered = [split.inputs.index_select(0, rows[split.sources].to(device)),
                    split.targets.index_select(0, rows[split.target_sources].to(device)),
                    ids.index_select(0, rows[kept[2]])]
        sizes = [(end - begin) * len(seeds) for begin, end in windows]
        return list(zip(*(torch.split(tensor, sizes) for tensor in gathered), strict=True))

    with read_ahead(isinstance(split.inputs, Stored)) as results:
        for many in results(functools.partial(gather, low) for low in range(start, len(bounds) - 1, per_gather)):
            yield from (Batch(inputs, targets, ids) for inputs, targets, ids in many)


def measure_epoch(state: Fit) -> list[Row | DivergedError]:
    """Close the epoch: measure train_eval and val and make each member's row, or say that it diverged."""
    group, steps = state.group, state.steps_per_epoch
    state.settle()
    last_step = (state.epoch + 1) * steps - 1
    losses, norms = (torch.stack(values, dim=1).double().cpu()
                     for values in (state.position.losses, state.position.norms))
    layers = None if state.position.layers is None else state.position.layers.cpu()
    sizes = torch.tensor([end - begin for begin, end in pairwise(state.bounds)], dtype=torch.float64)
    with eval_mode(group.model):
        evaluator = beside_train(group.evaluator)
        with dead_units(group.model, len(group.members), group.placement.ranks) as dead:
            train_eval = measure(evaluator, group.feeds["train"])
        val = measure(evaluator, group.feeds["val"])
    lrs_at = state.lrs_at()
    lrs = lrs_at(last_step)
    bad_steps = non_finite_steps(losses)
    train_losses = ((losses * sizes).sum(dim=1) / sizes.sum()).tolist()
    mean_norms, largest_norms = norms.mean(dim=1).tolist(), norms.amax(dim=1).tolist()
    ratios, weight_norms = gradient_ratios(group.flat, state.epoch), group.flat.weight_norms().tolist()
    dead_fractions = dead[0].tolist() if dead else [None] * len(group.members)
    outcomes: list[Row | DivergedError] = []
    for number in range(len(group.members)):
        own_lr = group.optimization.setting_of(number)
        bad = bad_steps[number]
        if bad is None and not all(math.isfinite(measured[number]["loss"]) for measured in (train_eval, val)):
            bad = steps - 1
        if bad is not None:
            step = last_step - steps + 1 + bad
            outcomes.append(DivergedError(step, lrs_at(step)[own_lr]))
            continue
        gradients = Gradients(mean_norms[number], largest_norms[number], ratios[number])
        row = history.make_row(state.epoch + 1, last_step + 1, lrs[own_lr], train_losses[number], train_eval[number],
                               val[number], gradients, weight_norms[number], dead_fractions[number])
        outcomes.append(row)
    for number, (member, outcome) in enumerate(zip(group.members, outcomes, strict=True)):
        if not isinstance(outcome, DivergedError):
            member.progress.rows.append(outcome)
            if layers is not None and member.watches_layers:
                member.progress.layers.append(layers[number])
    state.position = Position()
    return outcomes


def non_finite_steps(losses: Tensor) -> list[int | None]:
    """Return each member's first step of an epoch whose loss [R, steps] is not finite, or None."""
    finite = losses.isfinite()
    return [None if whole else first
            for whole, first in zip(finite.all(dim=1).tolist(), finite.int().argmin(dim=1).tolist(), strict=True)]


def keep_best(group: Group, number: int, row: Row) -> None:
    """Copy a member's weights where its selection rule prefers the new row; the earliest of equals stays."""
    member = group.members[number]
    progress, rule = member.progress, member.parts.settings.selection
    best = None if progress.best_row is None else progress.rows[progress.best_row]
    if history.prefers(rule, member.columns, row, best):
        progress.best_row = len(progress.rows) - 1
        progress.best = group.weights(number)


def gradient_ratios(flat: Flat, epoch: int) -> list[float | None]:
    """Return each member's gradient norm of the first weight over that of the last, of the last step; None for one.

    Weights that are frozen in the epoch do not count. Far below 1 the gradient vanishes on its way down (Glorot and
    Bengio 2010).
    """
    grads = [param.grad for param, kind in zip(flat.params, flat.kinds, strict=True)
             if param.ndim > 2 and param.grad is not None and kind.frozen_epochs <= epoch]
    if len(grads) < 2:
        return [None] * len(flat.params[0])
    first, last = (torch.linalg.vector_norm(grad.flatten(1), dim=1).tolist() for grad in (grads[0], grads[-1]))
    return [one / other if other > 0 else None for one, other in zip(first, last, strict=True)]
