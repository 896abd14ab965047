"""Rules about training that did not work as a process: stopped early, diverged, oscillating."""

from __future__ import annotations

import math

import numpy as np

from dlx.report import words
from dlx.report.diagnosing import advice
from dlx.report.diagnosing.finding import Case, Finding
from dlx.report.diagnosing.trends import wobble

DIVERGED_FACTOR = 2.0
WORSE_THAN_NOTHING = 4.0
OSCILLATING_SHARE = 1 / 3
OSCILLATING_RANGE = 0.10
OSCILLATING_LEVEL = 0.05
OSCILLATING_EPOCHS = 8
ENDED = ("done", "diverged", "unknown")


def unfinished(case: Case) -> Finding | None:
    """A run that did not reach its end is not judged."""
    if case.status.state in ENDED or case.summary is not None:
        return None
    planned = case.setting("epochs")
    of_planned = "" if planned is None else f" of {planned}"
    evidence = [f"{words.count(case.history.num_epochs, 'finished epoch')}{of_planned} in metrics.csv."]
    if case.status.reason is not None:
        evidence.insert(0, f"Reason given in status.json: {case.status.reason}")
    if case.status.state == "interrupted":
        evidence.append("dlx resume with this folder continues it from its last checkpoint.")
    commands = advice.some(advice.scale_count(case, "batch_size", 0.5, "Half the batch needs about half the memory."))
    return Finding("unfinished", f"Unfinished ({case.status.state})",
                   f"The run did not reach its end (status {case.status.state}); unfinished training is not judged.",
                   tuple(evidence), commands if case.status.state == "oom" else ())


def diverged(case: Case) -> Finding | None:
    """The loss became NaN or infinite, or ended well above where it started."""
    loss = case.history.column("train_loss")
    finite = loss[np.isfinite(loss)]
    # A loss that is not finite is an empty cell of metrics.csv.
    broken = case.status.state == "diverged" or any(
        name in case.history.columns and not np.isfinite(case.history.column(name)).all()
        for name in ("train_loss", "train_eval_loss"))
    where = "" if case.status.step is None else f" at step {case.status.step}"
    verdict = f"The loss stopped being a finite number{where}, and training ended there." if broken else (
        _climbed(finite) or _worse_than_nothing(case))
    if verdict is None:
        return None
    commands = advice.some(
        advice.scale_lr(case, 0.1, "A tenth of the learning rate: too large a step is the usual cause."),
        advice.clip(case, "Bounds the length of every update's gradient."),
        advice.warm_up(case, "Starts with small steps, while the weights are still random."),
    )
    return Finding("diverged", "Diverged", verdict, tuple(_divergence_evidence(case, finite)), commands)


def _climbed(loss: np.ndarray) -> str | None:
    if loss.size < 3 or loss[-1] < DIVERGED_FACTOR * loss[0] or loss[-1] < 0.9 * loss.max():
        return None
    return f"The training loss ended {loss[-1] / loss[0]:,.1f} times as high as after the first epoch."


def _worse_than_nothing(case: Case) -> str | None:
    """Compare the end of train_eval with equal probabilities for all classes, or with the mean as the answer."""
    num_classes = 0 if case.summary is None else len(case.summary.class_names)
    if case.setting("loss", "part") == "cross_entropy" and num_classes > 1:
        name, last, nothing = "loss", case.history.last("train_eval_loss"), math.log(num_classes)
        answer = "equal probabilities for all classes give"
    elif case.baseline is not None and case.baseline.metric == "rmse":
        name, last, nothing = "RMSE", case.history.last("train_eval_rmse"), case.baseline.value
        answer = "always answering the mean gives"
    else:
        return None
    if last is None or last < WORSE_THAN_NOTHING * nothing:
        return None
    return f"Train_eval {name} ended at {words.number(last)}, where {answer} {words.number(nothing)}."


def _divergence_evidence(case: Case, finite: np.ndarray) -> list[str]:
    evidence = []
    if case.status.step is not None:
        epoch = "" if case.status.epoch is None else f", in epoch {case.status.epoch}"
        evidence.append(f"First step with a loss that is not finite: {case.status.step}{epoch}.")
    if case.status.state == "diverged" and case.status.reason is not None:
        evidence.append(f"Reason given in status.json: {case.status.reason}")
    if finite.size == 0:
        evidence.append("No epoch ended with a finite training loss, so there is no curve to show.")
    else:
        evidence.append(f"Training loss of the epochs that ended with a finite one: first {words.number(finite[0])}, "
                        f"lowest {words.number(finite.min())}, last {words.number(finite[-1])}.")
    lr = case.history.last("lr")
    lr = case.setting("optimizer", "lr") if lr is None else lr
    if lr is not None:
        evidence.append(f"Learning rate: {lr:g}.")
    return evidence


def oscillating(case: Case) -> Finding | None:
    """The loss on train_eval goes up and down by much, again and again, in the last half."""
    loss = case.history.column("train_eval_loss")
    if len(loss) < OSCILLATING_EPOCHS or not np.isfinite(loss).all():
        return None
    found = wobble(loss)
    often = OSCILLATING_SHARE <= found.num_rises / found.num_steps <= 1 - OSCILLATING_SHARE
    if not often or found.of_range < OSCILLATING_RANGE or found.of_level < OSCILLATING_LEVEL:
        return None
    evidence = (
        f"In the last {found.num_steps} epochs the train_eval loss rose {found.num_rises} times; half of these rises "
        f"were {words.number(found.size)} or more.",
        f"That is {100 * found.of_range:.0f}% of all the ground between its highest and lowest value "
        f"({words.number(float(loss.max()))} and {words.number(float(loss.min()))}).",
        "train_eval measures the same examples every epoch, without dropout, so this is no noise of measurement.",
    )
    commands = advice.some(
        advice.scale_lr(case, 1 / 3, "Smaller steps overshoot less."),
        advice.choose(case, "schedule", "cosine", "Steps that shrink to zero let the loss settle at the end."),
        advice.scale_count(case, "batch_size", 2, "Gradients averaged over more examples are steadier."),
    )
    return Finding("oscillating", "Oscillating", "The training loss goes up and down instead of settling.", evidence,
                   commands)
