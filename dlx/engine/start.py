"""The built state of runs, from the beginning or from checkpoints."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

import torch
from torch import nn

from dlx.core.device import Placement
from dlx.core.errors import ArtefactError, ConfigError
from dlx.core.random import torch_generator
from dlx.core.train_keys import divide_dataset, effective
from dlx.core.types import SearchesLoss
from dlx.engine import build
from dlx.engine.budget import TooManyMembersError, most_members
from dlx.engine.data import Prepared, Shelf, prepare_arrays
from dlx.engine.fit import Fit, batch_bounds
from dlx.engine.group import Form, Group, Member, group_of
from dlx.engine.hygiene import kept
from dlx.engine.layers import NUM_VALUES
from dlx.engine.parts import Parts
from dlx.engine.probe import convolution_form
from dlx.engine.problems import task_problems
from dlx.engine.source import Source
from dlx.engine.stack import problem
from dlx.engine.state import (
    Position,
    Progress,
    Resumed,
    check_shapes,
    restore_statistics,
    restore_training,
    section,
)
from dlx.engine.step import dropout_rates
from dlx.record.checkpoint import Checkpoint

MAX_THREADS = 4096
# Examples on which a stacked model is compared with the models alone.
TRIED = 8
FORMS = [asdict(Form()), *(asdict(Form(True, convolution)) for convolution in ("loop", "grouped"))]
Described = tuple[Parts, Mapping[str, Any]]


class UnlikeDataError(ConfigError):
    """Runs whose data differ in size or shape, so that they cannot train together.

    Args:
        problem: in one sentence.
        alike: the runs that can, by their index, as few parts as possible.
    """

    def __init__(self, problem: str, alike: list[list[int]]) -> None:
        super().__init__(problem)
        self.alike = alike


def start(runs: Sequence[Described], data_dir: str, saved: Sequence[Checkpoint | None], fused: bool,
          memory_share: float = 1.0, shelf: Shelf | None = None) -> Fit:
    """Build everything that members need to train.

    Args:
        runs: parts and saved configuration of each.
        saved: the checkpoint of each, of one step, or None for all.
        fused: compute them as a stacked model; of one run with a checkpoint, the checkpoint says it.
        memory_share: of the machine's memory that is this process's, in (0, 1].
        shelf: data that was read before; it is emptied.

    Raises:
        ArtefactError: a checkpoint that does not fit its configuration or the data.
        ConfigError: runs that cannot train together; UnlikeDataError where parts of them can.
        TooManyMembersError: memory does not hold so many.
    """
    for (_, config), own in zip(runs, saved, strict=True):
        check_config(config, own)
    # Where tensors lie is known before the model, which needs the data's shape; the number of threads after it.
    shelf = shelf or Shelf()
    data = prepare_all(runs, saved, data_dir, runs[0][0].device.place(0.0), shelf)
    shelf.clear()
    sources = read_sources([parts for parts, _ in runs], saved)
    models, placement = place_models([parts for parts, _ in runs], saved, data, sources)
    batch_size = runs[0][0].settings.batch_size
    most = len(runs) if len(runs) == 1 else most_members(models[0], data[0], batch_size, placement, memory_share)
    if len(runs) > most:
        raise TooManyMembersError(most)
    steps = len(batch_bounds(len(data[0].splits["train"].ids), batch_size)) - 1
    resumed = [None if own is None else restore_training(model, own, steps)
               for model, own in zip(models, saved, strict=True)]
    if fused and isinstance(runs[0][0].optimizer, SearchesLoss):
        raise ConfigError(f"these runs cannot train together: {runs[0][0].optimizer.ALONE}")
    form = form_of(saved[0], fused, models, data[0], batch_size)
    members = [Member(number, parts, own_data, facts_of(config, own_data, placement, form), dropout_rates(model),
                      Progress() if own is None else own.progress, source)
               for number, ((parts, config), own_data, model, own, source)
               in enumerate(zip(runs, data, models, resumed, sources, strict=True))]
    order = sorted(range(len(runs)), key=lambda number: members[number].setting.name)
    group = group_of([members[number] for number in order], [models[number] for number in order], placement, form)
    going_on = [own for own in (resumed[number] for number in order) if own is not None]
    if going_on:
        restore_rest(group, going_on)
    return Fit(group, joined([own.position for own in going_on]), runs[0][0].settings.epochs)


def check_config(config: Mapping[str, Any], saved: Checkpoint | None) -> None:
    """Raise ArtefactError where a checkpoint is of another configuration."""
    if saved is not None and saved.state.get("config") != config:
        raise ArtefactError("the checkpoints are of another configuration than config.yaml: one was altered")


def read_sources(runs: Sequence[Parts], saved: Sequence[Checkpoint | None]) -> list[Source | None]:
    """Read the weights that models start with, each file once; none for a run that goes on from a checkpoint.

    Raises:
        ArtefactError: a file that is missing or damaged.
    """
    paths = [None if own is not None else parts.init_from.path for parts, own in zip(runs, saved, strict=True)]
    read = {parts.init_from.path: parts.init_from.read() for parts, path in zip(runs, paths, strict=True)
            if path is not None}
    return [None if (source := read.get(path)) is None else replace(source) for path in paths]


def check_source(parts: Parts, source: Source | None, data: Prepared) -> None:
    """Raise ConfigError where saved weights do not fit the model or its inputs."""
    if source is not None:
        source.check_tokens(data.spec, data.statistics)
        build.meta_model(parts, data.spec, source)


def place_models(runs: Sequence[Parts], saved: Sequence[Checkpoint | None], data: Sequence[Prepared],
                 sources: Sequence[Source | None]) -> tuple[list[nn.Module], Placement]:
    """Make every run's model and put it where it will compute: on the device of the first."""
    for parts, own, prepared in zip(runs, saved, data, strict=True):
        if own is not None:
            check_shapes(build.meta_model(parts, prepared.spec), section(own, "model"))
    threads = None if saved[0] is None else saved_threads(saved[0])
    model, placement = build.place_model(runs[0], data[0].spec, threads, sources[0])
    others = [build.build_model(parts, own.spec, source).to(placement.device, placement.dtype)
              for parts, own, source in zip(runs[1:], data[1:], sources[1:], strict=True)]
    return [model, *others], placement


def saved_threads(saved: Checkpoint) -> int:
    """Return the number of threads that a run was computed with."""
    threads = saved.state.get("threads")
    if type(threads) is not int or not 1 <= threads <= MAX_THREADS:
        raise ArtefactError(f"the checkpoint is refused: threads must be in [1, {MAX_THREADS}], got {threads!r}")
    return threads


def prepare_all(runs: Sequence[Described], saved: Sequence[Checkpoint | None], data_dir: str, placement: Placement,
                shelf: Shelf) -> list[Prepared]:
    """Prepare every run's data; what several have in common is read and preprocessed once.

    Raises:
        ConfigError: data that cannot be learnt from, or that these parts or saved weights are not for.
    """
    data = [prepare_run(shelf, run, own, data_dir, placement) for run, own in zip(runs, saved, strict=True)]
    sources = read_sources([parts for parts, _ in runs], saved)
    for (parts, _), own, source in zip(runs, data, sources, strict=True):
        check_task(parts, own)
        check_source(parts, source, own)
    refuse_unlike(data)
    return data


def refuse_unlike(data: Sequence[Prepared]) -> None:
    """Raise UnlikeDataError where not all data have one shape and splits of the same sizes."""
    shapes = [(own.spec.input_shape, own.spec.num_outputs, own.spec.vocabulary_size) for own in data]
    sizes = [tuple(len(split.ids) for split in own.splits.values()) for own in data]
    alike: dict[object, list[int]] = {}
    for number, mark in enumerate(zip(shapes, sizes, strict=True)):
        alike.setdefault(mark, []).append(number)
    if len(set(shapes)) > 1:
        raise UnlikeDataError(f"runs whose inputs differ in shape cannot train together: "
                              f"{sorted({shape for shape, *_ in shapes})}", list(alike.values()))
    if len(alike) > 1:
        raise UnlikeDataError(f"runs with splits of different sizes cannot train together: {sorted(set(sizes))}",
                              list(alike.values()))


def prepare_run(shelf: Shelf, run: Described, saved: Checkpoint | None, data_dir: str, placement: Placement
                ) -> Prepared:
    """Prepare one run's data, with the statistics of its checkpoint if it has one."""
    parts, config = run
    rows, own = divide_dataset(config.get("dataset", {}))
    data = json.dumps(own)
    arrays, digest = shelf.arrays(data, lambda: parts.dataset.load(data_dir))
    if saved is not None:
        check_fingerprint(digest(), saved)
    statistics = None if saved is None else restore_statistics(saved)
    names = [json.dumps(value) for value in (own, effective(rows), config.get("split"), config.get("preprocessing"))]
    again = kept(arrays, lambda: parts.dataset.load(data_dir))
    return shelf.prepared(data, tuple(names), lambda: prepare_arrays(parts, arrays, digest, placement, statistics)
                          ._replace(arrays=again))


def check_task(parts: Parts, data: Prepared) -> None:
    """Raise ConfigError where parts are not for data whose spec only reading told; others were checked before."""
    if build.known_spec(parts) is None:
        found = task_problems(parts, data.given, seen=data.spec)
        if found:
            raise ConfigError(*found)


def check_fingerprint(digest: str, saved: Checkpoint) -> None:
    """Raise ArtefactError where the data is not that of the checkpoint."""
    if digest != saved.state.get("data_fingerprint"):
        raise ArtefactError("the data differs from what the run was trained on (its fingerprint does not match); "
                            "point data_dir to the original")


def form_of(saved: Checkpoint | None, fused: bool, models: Sequence[nn.Module], data: Prepared, batch_size: int
            ) -> Form:
    """Decide how members are computed; a checkpoint has decided it before.

    Raises:
        ConfigError: models that cannot be stacked.
        ArtefactError: a checkpoint that names no such form.
    """
    if saved is not None:
        form = saved.state.get("form", asdict(Form()))
        if form not in FORMS:
            raise ArtefactError(f"the checkpoint is refused: form {str(form)[:80]}")
        return Form(**form)
    if not fused:
        return Form()
    inputs = data.splits["train"].inputs[:TRIED]
    # Members have the same structure: two of them show whether they mix.
    wrong = problem(models if len(models) < 2 else [models[0], models[-1]], inputs)
    if wrong is not None:
        raise ConfigError(f"these runs cannot train together: {wrong}")
    return Form(True, convolution_form(models, data.splits["train"].inputs[:batch_size]))


def stacking_problem(runs: Sequence[Parts]) -> str | None:
    """Say why the models of runs cannot be stacked, or None, without their data."""
    spec = build.known_spec(runs[0])
    if spec is None:
        return None
    draw = torch_generator(0, "stacking")
    if spec.layout == "tokens":
        inputs = torch.randint(spec.vocabulary_size, (TRIED, *spec.input_shape), generator=draw)
    else:
        inputs = torch.randn(TRIED, *spec.input_shape, generator=draw)
    return problem([build.build_model(parts, spec) for parts in runs], inputs)


def facts_of(config: Mapping[str, Any], data: Prepared, placement: Placement, form: Form) -> dict[str, Any]:
    """Say what a checkpoint keeps beside tensors."""
    return {"config": config, "threads": placement.threads, "device": placement.device.type, "form": asdict(form),
            "processes": placement.ranks.size, "data_fingerprint": data.fingerprint, "given": asdict(data.given)}


def restore_rest(group: Group, resumed: Sequence[Resumed]) -> None:
    """Load every member's optimizer state and average. Raises ArtefactError where one does not fit."""
    try:
        check_layers(group, resumed)
        group.optimization.restore([own.optimizer for own in resumed])
        if group.average is not None:
            group.average.restore([own.average for own in resumed])
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, RuntimeError) as error:
        raise ArtefactError(f"the checkpoint's training state does not fit: {error!r}") from error


def check_layers(group: Group, resumed: Sequence[Resumed]) -> None:
    """Raise ValueError where checkpoints do not tell of the weights that their members watch, in each epoch."""
    count = 0 if group.layers is None else len(group.layers.names)
    for member, own in zip(group.members, resumed, strict=True):
        epochs = own.progress.epoch if count and member.watches_layers else 0
        if [tuple(values.shape) for values in own.progress.layers] != [(count, NUM_VALUES)] * epochs:
            raise ValueError(f"layers of {len(own.progress.layers)} epochs, not {count} of {epochs}")


def joined(positions: Sequence[Position]) -> Position:
    """Return the position of members that are at the same step. Raises ArtefactError where they are not."""
    if len({position.step_in_epoch for position in positions}) > 1:
        raise ArtefactError("checkpoints of one step disagree about it: one was altered")
    losses, norms = ([torch.cat(own) for own in zip(*(getattr(position, name) for position in positions), strict=True)]
                     for name in ("losses", "norms"))
    return Position(positions[0].step_in_epoch if positions else 0, losses, norms, settled=len(losses))
