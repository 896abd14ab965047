"""One run, from parts to a finished run folder."""

from __future__ import annotations

import gc
import logging
from collections.abc import Mapping
from typing import Any, NamedTuple

from torch import nn

from dlx.core.device import Placement
from dlx.core.errors import ArtefactError, DivergedError
from dlx.core.types import OnHistory, Split
from dlx.engine import build, history
from dlx.engine.data import Prepared, prepare
from dlx.engine.evaluate import Evaluator, predict
from dlx.engine.fit import Job, batch_bounds, fit
from dlx.engine.parts import Parts
from dlx.engine.recorder import Observer, Recorder
from dlx.engine.signals import StopRequest
from dlx.engine.state import (
    Progress,
    check_shapes,
    model_checkpoint,
    restore_statistics,
    restore_training,
    section,
    training_checkpoint,
    weights_of,
)
from dlx.engine.step import Step
from dlx.engine.summary import HELD_OUT, SPLITS, measure_all, summarize
from dlx.record import atomic, checkpoint, layout
from dlx.record.checkpoint import Checkpoint
from dlx.record.folder import RunFolder
from dlx.record.predictions import write_predictions
from dlx.record.store import CheckpointStore

MAX_THREADS = 4096
log = logging.getLogger("dlx")


class Session(NamedTuple):
    """The built state of one run in progress."""

    parts: Parts
    data: Prepared
    placement: Placement
    model: nn.Module
    step: Step
    evaluator: Evaluator
    facts: dict[str, Any]


def train(parts: Parts, config: Mapping[str, Any], folder: RunFolder, data_dir: str, observer: Observer,
          stop: StopRequest) -> None:
    """Train, or go on training, in a described and locked run folder, until summary.json stands.

    Args:
        config: the configuration as saved, to be written into checkpoints.
        stop: whether a signal asked to stop.

    Raises:
        DivergedError: after the best finite weights and their summary were written, if there are any.
        InterruptedRunError: after a durable checkpoint.
        ArtefactError: no checkpoint of the run is valid, or they are of another configuration.
        StorageError: the file system refused.
    """
    # What imports made lives as long as the process; without it, garbage collection takes no noticeable time.
    gc.freeze()
    store = CheckpointStore(folder.checkpoints)
    store.clean()
    found = store.newest()
    for skipped in [] if found is None else found.skipped:
        log.warning("skipped a checkpoint: %s", skipped)
    saved = None if found is None else found.checkpoint
    session = start(parts, config, data_dir, saved)
    progress = Progress()
    if found is None:
        initial = model_checkpoint(weights_of(session.model), session.data.statistics, session.facts)
        checkpoint.save(folder.checkpoints / layout.INITIAL, initial)
    else:
        progress = restore_training(session.model, session.step.optimizer, found.checkpoint)
        if progress.step_in_epoch >= len(make_job(session).bounds):
            raise ArtefactError(f"{found.path} refused: an epoch has no step {progress.step_in_epoch}")
        log.info("resumed from %s", found.path.name)
    log.info("training on %s, threads %d, from epoch %d", session.placement.device, session.placement.threads,
             progress.epoch)
    folder.set_status("running", epoch=progress.epoch)
    observer.started(parts.settings.epochs, progress.epoch, {"threads": session.placement.threads,
                                                             "device": str(session.placement.device)})
    finish(session, progress, folder, store, train_session(session, progress, folder, observer, stop))


def start(parts: Parts, config: Mapping[str, Any], data_dir: str, saved: Checkpoint | None) -> Session:
    """Build everything, from the beginning or to go on from a checkpoint."""
    spec = parts.dataset.spec()
    if saved is None:
        model, placement = build.place_model(parts, spec)
        data = prepare(parts, data_dir, placement)
    else:
        if saved.state.get("config") != config:
            raise ArtefactError("the checkpoints are of another configuration than config.yaml: one was altered")
        check_shapes(build.meta_model(parts, spec), section(saved, "model"))
        threads = saved.state.get("threads")
        if type(threads) is not int or not 1 <= threads <= MAX_THREADS:
            raise ArtefactError(f"the checkpoint is refused: threads must be in [1, {MAX_THREADS}], got {threads!r}")
        model, placement = build.place_model(parts, spec, threads)
        data = prepare(parts, data_dir, placement, restore_statistics(saved))
        check_fingerprint(data, saved)
    facts = {"config": dict(config), "threads": placement.threads, "device": placement.device.type,
             "data_fingerprint": data.fingerprint}
    return Session(parts, data, placement, model, build.build_step(parts, model, placement),
                   build.build_evaluator(parts, model, data, placement), facts)


def check_fingerprint(data: Prepared, saved: Checkpoint) -> None:
    """Raise ArtefactError where the data is not that of the checkpoint."""
    if data.fingerprint != saved.state.get("data_fingerprint"):
        raise ArtefactError("the data differs from what the run was trained on (its fingerprint does not match); "
                            "point data_dir to the original")


def make_job(session: Session) -> Job:
    """Say what training needs of a session."""
    parts, data, settings = session.parts, session.data, session.parts.settings
    bounds = batch_bounds(len(data.splits["train"].ids), settings.batch_size)
    steps_per_epoch = len(bounds) - 1
    num_steps = steps_per_epoch * settings.epochs
    base_lr = session.step.optimizer.param_groups[0]["lr"]
    return Job(
        seed=settings.seed, epochs=settings.epochs, bounds=bounds, step=session.step, evaluator=session.evaluator,
        train=data.splits["train"], val=data.splits["val"],
        lr_at=lambda step: base_lr * parts.schedule.factor(step, steps_per_epoch, num_steps),
        columns=history.directions(parts.metrics), selection=settings.selection,
        stopping=[rule for _, rule in build.hooks(parts, OnHistory)])


def train_session(session: Session, progress: Progress, folder: RunFolder, observer: Observer, stop: StopRequest
                  ) -> str | DivergedError:
    """Fit; return why training ended, or how it diverged."""
    def snapshot() -> Checkpoint:
        return training_checkpoint(session.model, session.step.optimizer, progress, session.data.statistics,
                                   session.facts)

    session.model.train()
    seconds = session.parts.settings.checkpoint_seconds
    with Recorder(folder, observer, stop, seconds, snapshot, progress) as recorder:
        try:
            return fit(make_job(session), progress, recorder)
        except DivergedError as error:
            return error


def finish(session: Session, progress: Progress, folder: RunFolder, store: CheckpointStore, ended: str | DivergedError
           ) -> None:
    """Keep the selected weights, open test once, write predictions and summary.

    Raises:
        DivergedError: that training ended with.
    """
    log.info("training ended after epoch %d: %s", progress.epoch, ended)
    diverged = isinstance(ended, DivergedError)
    statistics = session.data.statistics
    if progress.best_row is not None:
        last = training_checkpoint(session.model, session.step.optimizer, progress, statistics, session.facts)
        facts = {**session.facts, "selected": progress.rows[progress.best_row]}
        store.keep(model_checkpoint(progress.best, statistics, facts), None if diverged else last)
        session.model.load_state_dict(progress.best)
        summary = measure_selected(session, progress, folder, ended)
        atomic.write_json(folder.path / layout.SUMMARY, summary)
    if isinstance(ended, DivergedError):
        folder.set_status("diverged", epoch=progress.epoch, step=ended.step, lr=ended.lr, reason=str(ended))
    store.drop_rolling()
    if isinstance(ended, DivergedError):
        raise ended


def measure_selected(session: Session, progress: Progress, folder: RunFolder, ended: str | DivergedError
                     ) -> dict[str, Any]:
    """Measure the selected weights on every split and write predictions.csv; return the summary."""
    parts, data, settings = session.parts, session.data, session.parts.settings
    examples = {name: predict(session.evaluator, split_of(data, name)) for name in SPLITS}
    rows = measure_all(parts.metrics, {name: split.losses for name, split in examples.items()},
                       {name: split.outcome for name, split in examples.items()}, settings.level, settings.seed)
    held_out = {name: (data.splits[name].ids.numpy(), examples[name].outcome) for name in HELD_OUT}
    write_predictions(folder.path / layout.PREDICTIONS, held_out, data.spec.class_names)
    assert progress.best_row is not None
    selected = progress.rows[progress.best_row]
    divergence = {"step": ended.step, "lr": ended.lr} if isinstance(ended, DivergedError) else None
    return summarize(
        rows, settings.level, status="done" if divergence is None else "diverged",
        task=data.spec.kind, class_names=list(data.spec.class_names), name=settings.name,
        dataset=session.facts["config"]["dataset"]["part"], model=session.facts["config"]["model"]["part"],
        seed=settings.seed, num_parameters=sum(param.numel() for param in session.model.parameters()),
        num_examples={name: len(split.ids) for name, split in data.splits.items()},
        selection={"rule": settings.selection, "epoch": selected["epoch"], "step": selected["step"]},
        epochs_run=progress.epoch, stop_reason=str(ended), divergence=divergence, test_openings=1,
        data_fingerprint=data.fingerprint,
        device=session.placement.device.type, threads=session.placement.threads)


def split_of(data: Prepared, name: str) -> Split:
    """Return a split by name; train_eval is the train examples, measured as val and test are."""
    return data.splits["train" if name == "train_eval" else name]
