"""Training: epochs, batches, one step. N examples, B batch."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn

from dlx.core.errors import DivergedError
from dlx.core.random import torch_generator
from dlx.core.types import Batch, OnHistory, Split
from dlx.engine import history
from dlx.engine.evaluate import Evaluator, dead_units, eval_mode, measure
from dlx.engine.history import Gradients, Row
from dlx.engine.recorder import Recorder
from dlx.engine.state import Progress, weights_of
from dlx.engine.step import Step

# Rows are gathered this many bytes at a time: once for many steps where examples are small, and no more than the
# cache of a core holds.
GATHER_BYTES = 2**20


@dataclass(frozen=True)
class Job:
    """What training needs.

    Args:
        lr_at: learning rate by step.
        bounds: where batches start within an epoch, and its end.
        columns: of the history that rules may read, with whether greater is better.
        selection: the named rule that picks the weights kept.
    """

    seed: int
    epochs: int
    bounds: Sequence[int]
    step: Step
    evaluator: Evaluator
    train: Split
    val: Split
    lr_at: Callable[[int], float]
    columns: Mapping[str, bool]
    selection: str
    stopping: Sequence[OnHistory]


def batch_bounds(num_examples: int, batch_size: int) -> list[int]:
    """Return where batches start, and the end: [0, B, 2B, …, N].

    A last batch of one example joins the one before it: batch normalization has no statistics of one.
    """
    bounds = [*range(0, num_examples, batch_size), num_examples]
    if batch_size > 1 and len(bounds) > 2 and bounds[-1] - bounds[-2] == 1:
        del bounds[-2]
    return bounds


def fit(job: Job, progress: Progress, recorder: Recorder) -> str:
    """Train until all epochs are done or a rule ends it; return why it ended.

    Raises:
        DivergedError: the loss was not finite.
        InterruptedRunError: a signal asked to stop; a checkpoint was written.
    """
    reason = history.stop_reason(progress.rows, job.stopping, job.columns)
    while reason is None and progress.epoch < job.epochs:
        started = time.perf_counter()
        train_epoch(job, progress, recorder)
        trained = time.perf_counter()
        row = measure_epoch(job, progress)
        keep_best(job, progress, row)
        recorder.after_epoch(row, trained - started, time.perf_counter() - trained)
        reason = history.stop_reason(progress.rows, job.stopping, job.columns)
    return reason or "all epochs done"


def train_epoch(job: Job, progress: Progress, recorder: Recorder) -> None:
    """Take the steps of one epoch that are not yet taken. Nothing here waits for the device."""
    first = progress.epoch * (len(job.bounds) - 1)
    for batch in batches(job.train, job.bounds, job.seed, progress.epoch, progress.step_in_epoch):
        step = first + progress.step_in_epoch
        recorder.before_step(step)
        loss, norm = job.step(batch, step, job.lr_at(step))
        progress.losses.append(loss)
        progress.norms.append(norm)
        progress.step_in_epoch += 1


def batches(split: Split, bounds: Sequence[int], seed: int, epoch: int, start: int) -> Iterator[Batch]:
    """Yield an epoch's batches from number `start` on; the order is a function of (seed, epoch) alone."""
    order = torch.randperm(len(split.ids), generator=torch_generator(seed, "order", epoch))
    row_bytes = split.inputs[0].numel() * split.inputs.element_size()
    per_gather = max(1, GATHER_BYTES // max(1, row_bytes * (bounds[1] - bounds[0])))
    for low in range(start, len(bounds) - 1, per_gather):
        edges = bounds[low : low + per_gather + 1]
        rows = order[edges[0] : edges[-1]]
        placed = rows.to(split.inputs.device)
        inputs, targets, ids = split.inputs[placed], split.targets[placed], split.ids[rows]
        for begin, end in pairwise(edge - edges[0] for edge in edges):
            yield Batch(inputs[begin:end], targets[begin:end], ids[begin:end])


def measure_epoch(job: Job, progress: Progress) -> Row:
    """Close the epoch: measure train_eval and val, make the row, and advance the progress.

    Raises:
        DivergedError: naming the first step whose loss was not finite.
    """
    steps = len(job.bounds) - 1
    last_step = (progress.epoch + 1) * steps - 1
    losses = torch.stack(progress.losses).double().cpu()
    refuse_non_finite(losses, last_step - steps + 1, job.lr_at)
    sizes = torch.tensor([end - begin for begin, end in pairwise(job.bounds)], dtype=torch.float64)
    norms = torch.stack(progress.norms).double().cpu()
    gradients = Gradients(norms.mean().item(), norms.max().item(), gradient_ratio(job.step.params))
    with eval_mode(job.evaluator.model):
        with dead_units(job.evaluator.model) as dead:
            train_eval = measure(job.evaluator, job.train)
        val = measure(job.evaluator, job.val)
    if not (math.isfinite(train_eval["loss"]) and math.isfinite(val["loss"])):
        raise DivergedError(last_step, job.lr_at(last_step))
    train_loss = float(losses @ sizes / sizes.sum())
    weight_norm = torch.linalg.vector_norm(job.step.vector.detach()).item()
    dead_fraction = float(dead[0][1] / dead[0][0]) if dead else None
    row = history.make_row(progress.epoch + 1, last_step + 1, job.lr_at(last_step), train_loss, train_eval, val,
                           gradients, weight_norm, dead_fraction)
    progress.rows.append(row)
    progress.losses, progress.norms = [], []
    progress.epoch, progress.step_in_epoch = progress.epoch + 1, 0
    return row


def refuse_non_finite(losses: Tensor, first_step: int, lr_at: Callable[[int], float]) -> None:
    """Raise DivergedError at the first of an epoch's losses [steps] that is not finite."""
    bad = (~losses.isfinite()).nonzero()
    if len(bad):
        step = first_step + int(bad[0])
        raise DivergedError(step, lr_at(step))


def keep_best(job: Job, progress: Progress, row: Row) -> None:
    """Copy the weights where the selection rule prefers the new row; the earliest of equals stays."""
    best = None if progress.best_row is None else progress.rows[progress.best_row]
    if history.prefers(job.selection, job.columns, row, best):
        progress.best_row = len(progress.rows) - 1
        progress.best = weights_of(job.evaluator.model)


def gradient_ratio(params: Sequence[nn.Parameter]) -> float | None:
    """Return the gradient norm of the first weight over that of the last, of the last step; None for one weight.

    Far below 1 the gradient vanishes on its way down (Glorot and Bengio 2010).
    """
    weights = [param.grad for param in params if param.ndim > 1 and param.grad is not None]
    if len(weights) < 2:
        return None
    first, last = (torch.linalg.vector_norm(grad).item() for grad in (weights[0], weights[-1]))
    return first / last if last > 0 else None
