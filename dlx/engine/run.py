"""Runs from parts to finished run folders: one alone, or several as members of a fused run."""

from __future__ import annotations

import contextlib
import gc
import logging
import os
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple, Self

import numpy as np
from torch import nn

from dlx.core.device import Placement
from dlx.core.errors import DivergedError, InterruptedRunError
from dlx.core.gaps import HELD_OUT, SPLITS, TRAIN_EVAL, measure_all
from dlx.core.memory import keep_freed_memory
from dlx.core.subject import Examples
from dlx.engine.budget import TooManyMembersError, out_of_memory
from dlx.engine.data import Prepared, Shelf
from dlx.engine.evaluate import beside_train, predict
from dlx.engine.feed import Feed, feed
from dlx.engine.fit import Fit, dismiss, fit
from dlx.engine.group import Group, Member, evaluator_of, moved
from dlx.engine.history import Row
from dlx.engine.parallel import check_start, clock_of
from dlx.engine.parts import Parts
from dlx.engine.recorder import Clock, Observer, Recorder
from dlx.engine.signals import StopRequest
from dlx.engine.source import Source
from dlx.engine.start import UnlikeDataError, start
from dlx.engine.state import model_checkpoint, training_checkpoint
from dlx.engine.summary import summarize
from dlx.record import atomic, checkpoint, layout
from dlx.record.checkpoint import Checkpoint
from dlx.record.folder import RunFolder
from dlx.record.predictions import write_predictions
from dlx.record.split_rows import refuse_other_split, write_split
from dlx.record.store import CheckpointStore, Found, newest_common


class Run(NamedTuple):
    """One run to train, in a described and locked folder.

    config: the configuration as saved, to be written into checkpoints; log: of this run alone; checks_data: check its
    data afterwards whatever its report, for that of a sweep.
    """

    parts: Parts
    config: Mapping[str, Any]
    folder: RunFolder
    log: logging.Logger = logging.getLogger("dlx")
    checks_data: bool = False

    @property
    def store(self) -> CheckpointStore:
        """Its checkpoints."""
        return CheckpointStore(self.folder.checkpoints)


class Ended(NamedTuple):
    """What training leaves in memory: the data, and what the selected model said of each split, if one was selected."""

    data: Prepared
    said: Mapping[str, Examples]


# Is called with a run when its training is over.
OnEnd = Callable[[Run, Ended], None]


class Limits(NamedTuple):
    """What bounds training from outside.

    pause_epoch: go no further than this epoch, and keep a checkpoint to go on from; end_reason: train no further,
    finish with this reason; memory_share: of the machine's memory that is this process's, in (0, 1].
    """

    pause_epoch: int | None = None
    end_reason: str | None = None
    memory_share: float = 1.0


UNBOUNDED = Limits()


def train(runs: Sequence[Run], data_dir: str, observer: Observer, stop: StopRequest, ended: OnEnd,
          fused: bool = False, limits: Limits = UNBOUNDED, shelf: Shelf | None = None) -> None:
    """Train runs, or go on training them, until each has its summary.json. Several train as members of a fused run.

    More members than memory holds, or members whose splits differ in size as folds do, are divided and train one part
    after the other.

    Args:
        stop: whether a signal asked to stop.
        ended: is called for each run, with its data, as its training is over and summary.json stands; of one that
            diverged before its first epoch there is none.
        fused: compute a run also as a member if it is alone.
        shelf: data that was read before.

    Raises:
        InterruptedRunError: after durable checkpoints.
        ArtefactError: no checkpoint of a run is valid, or they are of another configuration.
        StorageError: the file system refused.
    """
    # What imports made lives as long as the process; without it, garbage collection takes no noticeable time.
    gc.freeze()
    keep_freed_memory()
    for run in runs:
        run.store.clean()
    over: set[RunFolder] = set()

    def note(run: Run, left: Ended) -> None:
        over.add(run.folder)
        ended(run, left)

    trained = [run for run in runs if len(runs) > 1 and run.store.is_trained()]
    waiting = [*([run] for run in trained), [run for run in runs if run not in trained]]
    while waiting:
        together = [run for run in waiting.pop(0) if run.folder not in over]
        try:
            if together:
                train_together(together, data_dir, observer, stop, note, fused or len(runs) > 1, limits, shelf)
        except TooManyMembersError as error:
            waiting[:0] = divided(together, error.most)
        except UnlikeDataError as error:
            waiting[:0] = [[together[number] for number in part] for part in error.alike]
            for run in together:
                run.log.info("%d runs train in %d parts: %s", len(together), len(error.alike), error)
        except (RuntimeError, MemoryError) as error:
            if not out_of_memory(error) or len(together) == 1:
                raise
            waiting[:0] = divided(together, len(together) // 2)
        gc.collect()


def divided(runs: Sequence[Run], most: int) -> list[list[Run]]:
    """Divide runs evenly into parts of at most `most`, and say so in their logs."""
    count = -(-len(runs) // most)
    bounds = [round(number * len(runs) / count) for number in range(count + 1)]
    for run in runs:
        run.log.info("%d runs train in %d parts: memory holds %d", len(runs), count, most)
    return [list(runs[low:high]) for low, high in pairwise(bounds)]


def train_together(runs: Sequence[Run], data_dir: str, observer: Observer, stop: StopRequest,
                   ended: OnEnd, fused: bool, limits: Limits, shelf: Shelf | None) -> None:
    """Train runs from the newest checkpoint that they have in common."""
    found = newest_common([run.store for run in runs])
    state = start([(run.parts, run.config) for run in runs], data_dir,
                  [None if own is None else own.checkpoint for own in found], fused, limits.memory_share, shelf)
    check_start(state)
    for number, run in enumerate(runs):
        open_run(run, number, found[number], state)
    placement = state.group.placement
    observer.started(state.epochs, state.epoch, {"threads": placement.threads, "device": str(placement.device)})
    clock = clock_of(placement.ranks, stop, runs[0].parts.settings.checkpoint_seconds)
    with Scribe(runs, state.group, observer, clock, ended) as scribe:
        if limits.end_reason is not None:
            dismiss(state, scribe, [limits.end_reason] * len(state.group.members))
        fit(state, scribe, state.epochs if limits.pause_epoch is None else limits.pause_epoch)
        scribe.pause(state)


def open_run(run: Run, number: int, found: Found | None, state: Fit) -> None:
    """Say in the folder of the run of that number from where it trains; a new one keeps its initial weights."""
    for skipped in [] if found is None else found.skipped:
        run.log.warning("skipped a checkpoint: %s", skipped)
    placement, members = state.group.placement, state.group.members
    own = next(index for index, member in enumerate(members) if member.number == number)
    member, split_path = members[own], run.folder.path / layout.SPLIT
    if found is not None and os.path.lexists(split_path):
        refuse_other_split(split_path, rows_of(member.data))
    else:
        write_split(split_path, rows_of(member.data))
    if found is None:
        facts = member.facts if member.source is None else {**member.facts, "weights": say_source(run, member.source)}
        initial = model_checkpoint(state.group.weights(own), member.data.statistics, facts)
        checkpoint.save(run.folder.checkpoints / layout.INITIAL, initial, "file")
    else:
        run.log.info("resumed from %s", found.path.name)
        say_processes(run, found.checkpoint, placement.ranks.size)
    run.log.info("training on %s, threads %d, processes %d, members %d, from epoch %d", placement.device,
                 placement.threads, placement.ranks.size, len(members), state.epoch)
    if (warning := run.parts.device.warning()) is not None:
        run.log.warning(warning)
    run.folder.set_status("running", epoch=state.epoch)


def say_source(run: Run, source: Source) -> dict[str, Any]:
    """Say in the log where a model's weights are from, and return it for the initial checkpoint."""
    drawn = ", ".join(source.drawn) or "nothing"
    run.log.info("weights are those of %s, SHA-256 %s; drawn anew: %s", source.path, source.sha256, drawn)
    return source.facts()


def rows_of(data: Prepared) -> dict[str, np.ndarray]:
    """Return the row numbers of each split."""
    return {name: split.ids.numpy() for name, split in data.splits.items()}


def say_processes(run: Run, saved: Checkpoint, count: int) -> None:
    """Say in the log where another number of processes goes on than wrote a checkpoint."""
    before = saved.state.get("processes", 1)
    if before != count:
        run.log.warning("processes: %d go on with what %.20s computed; results agree to rounding, not bit for bit",
                        count, before)


class Scribe(contextlib.ExitStack):
    """Writes down what training does, in the folder of each run. Use as a context manager.

    Args:
        runs: by the numbers of their members.
        group: as training starts.
        ended: is called for each run whose training is over.
    """

    def __init__(self, runs: Sequence[Run], group: Group, observer: Observer, clock: Clock,
                 ended: OnEnd) -> None:
        super().__init__()
        self._runs = runs
        self._clock = clock
        self._ended = ended
        names = () if group.layers is None else group.layers.names
        self._recorders = {member.number: Recorder(runs[member.number].folder, observer, member.progress,
                                                    runs[member.number].log, names if member.watches_layers else ())
                           for member in group.members}

    def __enter__(self) -> Self:
        super().__enter__()
        for recorder in self._recorders.values():
            self.enter_context(recorder)
        return self

    def before_step(self, state: Fit, step: int) -> None:
        """Write checkpoints where they are due or a signal asked to stop.

        Raises:
            InterruptedRunError: after the checkpoints that a signal asked for.
        """
        if not self._clock.is_due():
            return
        self._save(state, step)
        signal_number = self._clock.signal_number
        if signal_number is not None:
            folder = self._runs[0].folder.path
            again = folder if len(self._runs) == 1 else folder.parent.parent
            raise InterruptedRunError(signal_number, f"interrupted at step {step}; nothing is lost: dlx resume {again}")

    def after_epoch(self, member: Member, row: Row, train_seconds: float, measure_seconds: float) -> None:
        """Append the row of an epoch."""
        self._recorders[member.number].after_epoch(row, train_seconds, measure_seconds)

    def leaves(self, state: Fit, number: int, why: str | DivergedError) -> None:
        """Finish a run whose training is over."""
        member = state.group.members[number]
        run = self._runs[member.number]
        self._recorders[member.number].close()
        self._ended(run, Ended(member.data, finish(run, state, number, why)))

    def pause(self, state: Fit) -> None:
        """Keep checkpoints of the members whose training is not over, and say so."""
        if state.group.members:
            self._save(state, state.epoch * state.steps_per_epoch)
        for member in state.group.members:
            self._runs[member.number].folder.set_status("interrupted", epoch=state.epoch,
                                                        reason=f"paused at epoch {state.epoch}")

    def _save(self, state: Fit, step: int) -> None:
        state.settle()
        for number, member in enumerate(state.group.members):
            self._runs[member.number].store.save_step(step, snapshot(state, number))


def snapshot(state: Fit, number: int) -> Checkpoint:
    """Make a checkpoint of a member to resume from."""
    group, member = state.group, state.group.members[number]
    average = None if group.average is None else group.average.state(number)
    return training_checkpoint(group.weights(number), group.optimization.state(number), member.progress,
                               moved(state.position, [number]), member.data.statistics, member.facts, average)


def finish(run: Run, state: Fit, number: int, why: str | DivergedError) -> Mapping[str, Examples]:
    """Keep the selected weights, open test once, write predictions and summary.

    Returns:
        What the selected model said of each split; nothing where none was selected.
    """
    examples: Mapping[str, Examples] = {}
    member = state.group.members[number]
    progress, diverged = member.progress, isinstance(why, DivergedError)
    run.log.info("training ended after epoch %d: %s", progress.epoch, why)
    if progress.best_row is not None:
        facts = {**member.facts, "selected": progress.rows[progress.best_row]}
        run.store.keep(model_checkpoint(progress.best, member.data.statistics, facts),
                       None if diverged else snapshot(state, number))
        model = state.group.alone(number, progress.best)
        examples = ask_selected(model, state.group.placement, member)
        atomic.write_json(run.folder.path / layout.SUMMARY, measure_selected(run, model, state, number, examples, why))
    if isinstance(why, DivergedError):
        run.folder.set_status("diverged", epoch=progress.epoch, step=why.step, lr=why.lr, reason=str(why))
    run.store.drop_rolling()
    return examples


def ask_selected(model: nn.Module, placement: Placement, member: Member) -> dict[str, Examples]:
    """Ask a model with the selected weights about every split."""
    evaluator = beside_train(evaluator_of(member.parts, [member.data], model, placement))
    return {name: predict(evaluator, split_of(member.data, name), member.data.targets) for name in SPLITS}


def measure_selected(run: Run, model: nn.Module, state: Fit, number: int, examples: Mapping[str, Examples],
                     why: str | DivergedError) -> dict[str, Any]:
    """Measure what a model with the selected weights said and write predictions.csv; return the summary."""
    member, placement = state.group.members[number], state.group.placement
    parts, data, settings = member.parts, member.data, member.parts.settings
    rows = measure_all(parts.metrics, {name: split.losses for name, split in examples.items()},
                       {name: split.outcome for name, split in examples.items()}, settings.level)
    held_out = {name: (data.splits[name].ids.numpy(), examples[name].outcome) for name in HELD_OUT}
    write_predictions(run.folder.path / layout.PREDICTIONS, held_out, data.spec.kind, data.spec.class_names)
    progress = member.progress
    assert progress.best_row is not None
    selected = progress.rows[progress.best_row]
    divergence = {"step": why.step, "lr": why.lr} if isinstance(why, DivergedError) else None
    return summarize(
        rows, settings.level, status="done" if divergence is None else "diverged",
        task=data.spec.kind, class_names=list(data.spec.class_names), name=settings.name,
        dataset=member.facts["config"]["dataset"]["part"], model=member.facts["config"]["model"]["part"],
        seed=settings.seed, num_parameters=sum(param.numel() for param in model.parameters()),
        num_examples={name: len(split.ids) for name, split in data.splits.items()},
        num_changed_labels=data.num_changed,
        selection={"rule": settings.selection, "epoch": selected["epoch"], "step": selected["step"]},
        epochs_run=progress.epoch, stop_reason=str(why), divergence=divergence, data_fingerprint=data.fingerprint,
        device=placement.device.type, threads=placement.threads)


def split_of(data: Prepared, name: str) -> Feed:
    """Return a split of one run by name; train_eval is the train examples, measured as val and test are."""
    return feed([data.splits["train" if name == TRAIN_EVAL else name]])
