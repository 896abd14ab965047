"""Checks of data before a model sees it: can anything be learnt from it?"""

from __future__ import annotations

import numpy as np

from dlx.core.ctc import positions_needed
from dlx.core.errors import ConfigError
from dlx.core.types import PADDING, SplitIds, TaskSpec


def check_classes(ids: SplitIds, targets: np.ndarray, spec: TaskSpec) -> None:
    """Raise ConfigError where there is nothing to tell apart, or a class is asked for that train never shows."""
    if spec.kind == "regression" and np.ptp(targets[ids.train]) == 0:
        raise ConfigError(f"every train target is {targets[ids.train[0]]:g}: there is nothing to learn")
    if spec.kind == "multilabel" and (targets[ids.train] == targets[ids.train[0]]).all():
        raise ConfigError("the train rows all have the same labels: there is nothing to tell apart")
    if spec.kind not in ("classification", "multilabel"):
        return
    counts = {name: _counts(targets[rows], spec) for name, rows in ids._asdict().items()}
    if spec.kind == "classification" and (counts["train"] > 0).sum() < 2:
        only = spec.class_names[int(counts["train"].argmax())]
        raise ConfigError(f"the train rows are all of one class, {only}: there is nothing to tell apart")
    for split in ("val", "test"):
        unseen = np.flatnonzero((counts["train"] == 0) & (counts[split] > 0))
        if len(unseen):
            names = ", ".join(spec.class_names[label] for label in unseen[:5])
            what = "classes" if spec.kind == "classification" else "labels"
            raise ConfigError(f"{split} has {counts[split][unseen].sum()} rows of {what} that train never shows "
                              f"({names}): divide otherwise (split=…), keep more train rows, or leave them out")


def _counts(targets: np.ndarray, spec: TaskSpec) -> np.ndarray:
    """Count the rows of each class or label, [C]."""
    counts: np.ndarray = targets.sum(axis=0) if targets.ndim == 2 else np.bincount(targets, minlength=spec.num_outputs)
    return counts


def check_lengths(inputs: np.ndarray, targets: np.ndarray, rows: np.ndarray, spec: TaskSpec) -> None:
    """Raise ConfigError where an input has fewer positions than its transcription needs.

    Args:
        inputs: [N, L] or [N, L, D], after preprocessing; targets: [N, U]; rows: their numbers [N], to be named.
    """
    if spec.kind != "transcription":
        return
    goes_on = inputs != PADDING if spec.layout == "tokens" else inputs[..., -1] != 0
    positions, needed = goes_on.sum(axis=1), positions_needed(targets)
    short = np.flatnonzero(needed > positions)
    if len(short):
        raise ConfigError(f"{len(short)} inputs are too short for what is to be transcribed, the first of them row "
                          f"{rows[short[0]]}: its {positions[short[0]]} positions, and {needed[short[0]]} are needed, "
                          f"one for each label and one between equal ones; leave such rows out, or shorten inputs less")


def check_finite(inputs: np.ndarray, spec: TaskSpec) -> None:
    """Raise ConfigError where a model would be given a value that is missing or infinite."""
    # A sum is finite unless a value is not, or it overflows; only then is every value looked at.
    with np.errstate(over="ignore", invalid="ignore"):
        if inputs.dtype.kind != "f" or np.isfinite(inputs.sum()):
            return
    wrong = np.argwhere(~np.isfinite(inputs))
    if len(wrong) == 0:
        return
    row, *place = wrong[0].tolist()
    what = "missing" if np.isnan(inputs[tuple(wrong[0])]) else "infinite"
    where = f"column {spec.columns[place[0]].name}" if spec.columns else f"place {tuple(place)}"
    advice = "add preprocessing=[impute,…]" if what == "missing" else "clip or repair it"
    raise ConfigError(f"after preprocessing {len(wrong)} values are missing or infinite, the first, {what}, in row "
                      f"{row}, {where}: {advice}")
