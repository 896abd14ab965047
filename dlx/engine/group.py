"""R members that train together: one model, one step, one evaluation. A run alone is a group of one."""

from __future__ import annotations

import copy
import functools
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import nn

from dlx.core import lean
from dlx.core.device import Placement
from dlx.core.hooks import Averages, ChangesWithHistory, FollowsHistory, OnBatch, OnHistory
from dlx.core.losses import ComparesExamples, KnowsTrain, Loss
from dlx.core.ranks import Processes
from dlx.core.types import ParamInfo, SearchesLoss
from dlx.engine import build, history
from dlx.engine.average import Average
from dlx.engine.data import Prepared
from dlx.engine.evaluate import Evaluator, OneByOne, chunk_rows
from dlx.engine.feed import Feed, feed
from dlx.engine.flat import Flat, flatten
from dlx.engine.hooks import hooks_of
from dlx.engine.layers import Layers
from dlx.engine.optimize import Optimization, Setting, optimize
from dlx.engine.param_groups import trained_params
from dlx.engine.parts import Parts, join
from dlx.engine.shared_norm import share_batch_norm
from dlx.engine.source import Source
from dlx.engine.stack import keep, stack
from dlx.engine.state import Position, Progress, Weights
from dlx.engine.step import Step, bind_noise


@dataclass(frozen=True)
class Form:
    """How members are computed: decided once, and kept by checkpoints, because it changes the last digits.

    Args:
        stacked: as one stacked model, also when only one member is left; else as a plain one.
        convolution: of a stacked model, "loop" or "grouped".
    """

    stacked: bool = False
    convolution: str = "loop"


@dataclass(frozen=True)
class Member:
    """What one run has of its own.

    Args:
        number: of the run, among those that were started together.
        facts: of the run, for its checkpoints: configuration, device, threads, form.
        rates: of its dropout layers.
        source: the saved weights that its model began with, if it begins with some.
    """

    number: int
    parts: Parts
    data: Prepared
    facts: Mapping[str, Any]
    rates: Sequence[float]
    progress: Progress = field(default_factory=Progress)
    source: Source | None = None

    @functools.cached_property
    def rules(self) -> list[OnHistory]:
        """What may end its training early."""
        return [rule for _, rule in build.hooks(self.parts, OnHistory)]

    @functools.cached_property
    def columns(self) -> dict[str, bool]:
        """The columns of its history that rules may read, with whether greater is better."""
        return history.directions(self.parts.metrics)

    @property
    def watches_layers(self) -> bool:
        """Whether it keeps what happens to each weight: its report tells of training."""
        return "training" in self.parts.report

    @functools.cached_property
    def setting(self) -> Setting:
        """How it is optimized."""
        optimizer, schedule = self.parts.optimizer, self.parts.schedule
        own = isinstance(optimizer, ChangesWithHistory) or isinstance(schedule, FollowsHistory)
        values = [self.facts["config"].get(group) for group in ("optimizer", "schedule")]
        # Members with histories of their own are optimized each in its way.
        name = json.dumps([*values, self.number] if own else values, sort_keys=True)
        return Setting(name, optimizer, schedule, own)


@dataclass(frozen=True)
class Group:
    """The built state of R members. Immutable but for what it refers to: weights, optimizer state, progress.

    Args:
        plain: a model alone, in evaluation mode, to measure a member's selected weights.
        model: plain or stacked, on the device.
        feeds: by split, train and val.
        average: of the weights, where a regularizer keeps one; it is measured in their place.
        layers: the weights, where a member watches what happens to each.
    """

    members: Sequence[Member]
    form: Form
    placement: Placement
    plain: nn.Module
    model: nn.Module
    flat: Flat
    optimization: Optimization
    step: Step
    evaluator: Evaluator
    feeds: Mapping[str, Feed]
    average: Average | None = None
    layers: Layers | None = None

    def weights(self, member: int) -> Weights:
        """Copy a member's parameters and buffers by name."""
        tensors = self.model.state_dict()
        return {name: (tensor[member] if self.form.stacked else tensor).detach().clone()
                for name, tensor in tensors.items()}

    def alone(self, member: int, weights: Weights) -> nn.Module:
        """Return the model of one member with saved weights; it is the same module at every call."""
        buffers = dict(self.model.named_buffers())
        for name, buffer in self.plain.named_buffers():
            # Those that are not among the weights, too.
            buffer.copy_(buffers[name][member] if self.form.stacked else buffers[name])
        self.plain.load_state_dict(weights)
        return self.plain


def group_of(members: Sequence[Member], models: Sequence[nn.Module], placement: Placement, form: Form) -> Group:
    """Join members, those with equal optimizer settings side by side, with their models' weights."""
    plain = copy.deepcopy(models[0]).eval()
    model = stack(models, form.convolution) if form.stacked else models[0]
    return assemble(members, plain, model, placement, form)


def assemble(members: Sequence[Member], plain: nn.Module, model: nn.Module, placement: Placement, form: Form) -> Group:
    """Build everything around a model that holds the members' weights."""
    if not placement.compile:
        lean.skip_dynamo_import()
    model.train()
    if isinstance(placement.ranks, Processes):
        share_batch_norm(model, placement.ranks)
    trained = trained_params(model, form.stacked)
    parts = members[0].parts
    frozen = parts.freeze.epochs(model)
    kinds = [kind._replace(frozen_epochs=frozen[param.name])
             for param, kind in zip(trained, parts.param_groups.kinds(list(trained), parts.optimizer), strict=True)]
    flat = flatten(list(trained.values()), len(members) if form.stacked else None, kinds)
    optimization = optimize([member.setting for member in members], flat)
    step = build_step(members, model, flat, optimization.optimizer, placement, form)
    # The loss of all members, each with its own values.
    parts = replace(parts, loss=step.loss)
    return Group(members, form, placement, plain, model, flat, optimization, step,
                 evaluator_of(parts, [member.data for member in members], model, placement, form.stacked),
                 {name: feed([member.data.splits[name] for member in members]) for name in ("train", "val")},
                 average_of(members, model, placement, form), layers_of(members, flat, trained))


def layers_of(members: Sequence[Member], flat: Flat, trained: Iterable[ParamInfo]) -> Layers | None:
    """Return the weights among the parameters that are trained, where a member watches them and there are some."""
    layers = Layers.of(flat, [param.name for param in trained])
    return layers if layers.names and any(member.watches_layers for member in members) else None


def build_step(members: Sequence[Member], model: nn.Module, flat: Flat, optimizer: torch.optim.Optimizer,
               placement: Placement, form: Form) -> Step:
    """Join model, loss, optimizer and regularizers into a step."""
    parts = [member.parts for member in members]
    losses = [build.minimised(part) for part in parts]
    loss = join(losses, placement.device, placement.dtype) if form.stacked else losses[0]
    return Step(
        seeds=[part.settings.order_seed for part in parts],
        model=model,
        forward=torch.compile(model) if placement.compile else model,
        flat=flat,
        loss=knowing(loss, [member.data for member in members]),
        optimizer=optimizer,
        update=lean.bare_step(optimizer),
        precision=placement.precision,
        noise=bind_noise(model, [member.rates for member in members], placement.device, placement.ranks),
        on_batch=[build.hooks(part, OnBatch) for part in parts],
        hooks=hooks_of(regularizers_of(members, placement, form)),
        accumulation=parts[0].settings.accumulation_steps,
        searches=isinstance(parts[0].optimizer, SearchesLoss),
        ranks=placement.ranks,
    )


def regularizers_of(members: Sequence[Member], placement: Placement, form: Form) -> dict[str, Any]:
    """Return the regularizers of all members together, by name."""
    own = [member.parts.regularizers for member in members]
    if not form.stacked:
        return dict(own[0])
    return {name: join([one[name] for one in own], placement.device, placement.dtype) for name in own[0]}


def average_of(members: Sequence[Member], model: nn.Module, placement: Placement, form: Form) -> Average | None:
    """Return the average that a regularizer keeps, which begins with the weights of the model; None without one."""
    rules = [part for part in regularizers_of(members, placement, form).values() if isinstance(part, Averages)]
    return Average(rules[0], model, len(members) if form.stacked else None) if rules else None


def knowing(loss: Loss, data: Sequence[Prepared]) -> Loss:
    """Tell a loss of members what it wants to know of their train targets."""
    if not isinstance(loss, KnowsTrain):
        return loss
    return loss.knowing([own.splits["train"].targets for own in data], data[0].spec)


def evaluator_of(parts: Parts, data: Sequence[Prepared], model: nn.Module, placement: Placement,
                 stacked: bool = False) -> Evaluator:
    """Join model, loss and metrics into the one evaluation of members, which differ in their data alone."""
    rows = chunk_rows(data[0].spec, placement.device, stacked)
    shifts, scales = (torch.tensor(values, dtype=torch.float64)
                      for values in ([own.target_shift for own in data], [own.target_scale for own in data]))
    loss, train = parts.loss, None
    if isinstance(loss, ComparesExamples):
        loss, train = knowing(loss, data), feed([own.splits["train"] for own in data])
    return Evaluator(model, OneByOne(loss, data[0].spec.kind), history.streamed(parts.metrics), data[0].spec, shifts,
                     scales, placement.precision, placement.dtype, rows, placement.ranks, train)


def without(group: Group, leaving: Sequence[int]) -> Group:
    """Return the group of the other members, going on from where all are."""
    rows = [member for member in range(len(group.members)) if member not in leaving]
    states = [group.optimization.state(member) for member in rows]
    averages = [] if group.average is None else [group.average.state(member) for member in rows]
    index = torch.tensor(rows, device=group.placement.device)
    for leaf in group.model.parameters():
        leaf.grad = None
        leaf.data = leaf.data[index]
    keep(group.model, index)
    smaller = assemble([group.members[member] for member in rows], group.plain, group.model, group.placement,
                       group.form)
    smaller.optimization.restore(states)
    if smaller.average is not None:
        smaller.average.restore(averages)
    return smaller


def moved(position: Position, rows: Sequence[int]) -> Position:
    """Return the position of some members of a group."""
    return replace(position, losses=[loss[list(rows)] for loss in position.losses],
                   norms=[norm[list(rows)] for norm in position.norms])
