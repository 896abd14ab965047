"""Runs of a sweep that differ in what was drawn alone, and what they say of the same test examples.

Shape letters: S runs, N examples, C classes.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dlx.core.repeats import FOLDS, SEEDS
from dlx.core.types import Kind
from dlx.record import layout
from dlx.record.split_rows import read_split
from dlx.report import words
from dlx.report.predictions import Predictions
from dlx.report.sweep.axes import Axis, make_axis, readable
from dlx.report.sweep.details import MAX_RUNS, folder_of, predictions_of
from dlx.report.sweep.files import DONE, Run
from dlx.report.sweep.points import Sweep

# dataset.seed is none of them: it makes other examples of the same ids.
DRAWN = (*SEEDS, *FOLDS, "dataset.train_seed", "split.seed")
MIN_COMMON = 30
NOT_TO_CHOOSE = ("Nor which configuration to choose: order is by val, and a choice by these numbers of test would make "
                 "them flatter.")


@dataclass(frozen=True)
class Group:
    """The runs of one configuration that are done, in the plan's order.

    Args:
        name: the configuration as it is typed.
        cells: what its settings are, by key, without draws.
    """

    name: str
    cells: dict[str, str]
    runs: tuple[Run, ...]

    @property
    def label(self) -> str:
        """Its settings alone, for a figure."""
        return " · ".join(map(readable, self.cells.values())) or "all runs"


class Shared(NamedTuple):
    """What runs say of the test examples that all of them have, by ascending id.

    Args:
        kind: classification or regression.
        ids: [N].
        targets: class indices or values [N].
        scores: probabilities [S, N, C], or predictions [S, N].
        is_whole: whether the test examples of all runs are the same.
    """

    kind: Kind
    ids: NDArray[np.int64]
    targets: NDArray[np.float64]
    scores: NDArray[np.float64]
    is_whole: bool


def axes_of(sweep: Sweep) -> tuple[Axis, ...]:
    """List the settings that vary beside draws."""
    return tuple(make_axis(key, [run.cells[key] for run in sweep.files.runs]) for key in sweep.files.keys
                 if key not in DRAWN)


def numeric_axis(sweep: Sweep, groups: Sequence[Group]) -> Axis | None:
    """Return the one setting that varies beside draws, where it is a number on which two or more groups lie."""
    axes = axes_of(sweep)
    return axes[0] if len(axes) == 1 and axes[0].scale != "category" and len(groups) > 1 else None


def groups_of(sweep: Sweep, min_runs: int, max_groups: int) -> tuple[tuple[Group, ...], tuple[str, ...]]:
    """Return the configurations with enough runs, best mean val first, and a sentence on what is left out, if any.

    At most `details.MAX_RUNS` runs are among them.
    """
    keys = [axis.key for axis in axes_of(sweep)]
    grouped: dict[tuple[str, ...], list[Run]] = {}
    for run in sweep.files.runs:
        if run.status == DONE:
            grouped.setdefault(tuple(run.cells[key] for key in keys), []).append(run)
    ranked = sorted((runs for runs in grouped.values() if len(runs) >= min_runs),
                    key=functools.partial(_rank, sweep))
    every = [_group(keys, runs) for runs in ranked]
    read = itertools.accumulate(len(group.runs) for group in every)
    kept = [group for group, total in zip(every[:max_groups], read, strict=False) if total <= MAX_RUNS]
    if every and not kept:
        kept = [_group(keys, list(every[0].runs[:MAX_RUNS]))]
    left = sum(len(group.runs) for group in every) - sum(len(group.runs) for group in kept)
    told = (f"Read are the {words.count(sum(len(group.runs) for group in kept), 'run')} of the best "
            f"{words.count(len(kept), 'configuration')} on val; {left:,} more are left out.",)
    return tuple(kept), told if left else ()


def _group(keys: Sequence[str], runs: Sequence[Run]) -> Group:
    cells = {key: runs[0].cells[key] for key in keys}
    name = " ".join(f"{key}={readable(cell)}" for key, cell in cells.items()) or "the only configuration"
    return Group(name, cells, tuple(runs))


def _rank(sweep: Sweep, runs: Sequence[Run]) -> float:
    values = [run.values.get(f"val_{sweep.metric}") for run in runs]
    known = [value for value in values if value is not None]
    mean = float(np.mean(known)) if known else math.inf
    return -mean if known and sweep.greater_is_better else mean


def shared(sweep: Sweep, group: Group) -> Shared | str | None:
    """Return what the runs of a group say of the test examples that all of them have.

    Returns:
        None where they predict neither classes nor numbers, or a file is absent; why not, where too few examples are
        common to all or their targets differ.
    """
    said = [predictions_of(sweep, run) for run in group.runs]
    own = [_finite(found.of("test")) for found in said if isinstance(found, Predictions)]
    if len(own) < len(group.runs) or any(not len(found) for found in own):
        return None
    ids = functools.reduce(np.intersect1d, [found.ids for found in own])
    is_whole = all(len(found) == len(ids) for found in own)
    if len(ids) < (1 if is_whole else MIN_COMMON):
        return (f"the {len(own)} runs have {words.count(len(ids), 'test example')} in common, and it takes "
                f"{MIN_COMMON}; with split.seed=0 all runs are tested on the same ones")
    rows = [np.argsort(found.ids)[np.searchsorted(np.sort(found.ids), ids)] for found in own]
    targets = np.stack([found.targets[at] for found, at in zip(own, rows, strict=True)])
    if (targets != targets[0]).any() or len({found.class_names for found in own}) > 1:
        return "the runs learnt other targets of the same test examples"
    probs = [found.probs for found in own]
    scores = np.stack([(found.predictions if prob is None else prob)[at]
                       for found, prob, at in zip(own, probs, rows, strict=True)])
    kind: Kind = "regression" if probs[0] is None else "classification"
    return Shared(kind, ids, targets[0], scores, is_whole)


def _finite(said: Predictions) -> Predictions:
    """Return the examples of which target, prediction and probabilities are finite."""
    known = said.finite()
    if known.probs is None or np.isfinite(known.probs).all():
        return known
    here = np.isfinite(known.probs).all(axis=1)
    return Predictions(known.splits[here], known.ids[here], known.targets[here], known.predictions[here],
                       known.probs[here], known.class_names)


def each_shared(sweep: Sweep, groups: Sequence[Group]) -> Iterator[tuple[Group, Shared | str]]:
    """Yield what the runs of each group say of their common test examples, or why not, one group in memory at a time.

    Groups are left out that predict neither classes nor numbers, or not what the first does: losses of classes and of
    numbers stand in no one table.
    """
    kind: Kind | None = None
    for group in groups:
        said = shared(sweep, group)
        if isinstance(said, Shared):
            kind = said.kind if kind is None else kind
        if said is not None and (isinstance(said, str) or said.kind == kind):
            yield group, said


def drawn_keys(sweep: Sweep) -> tuple[str, ...]:
    """List the draws that are typed and vary between runs."""
    return tuple(key for key in sweep.files.keys if key in DRAWN)


def train_overlap(sweep: Sweep, group: Group) -> float | None:
    """Return the mean over pairs of runs of |A ∩ B| / max(|A|, |B|), A and B their train rows; None if unknown.

    It is 1 only where all have the same rows. At most the first ten runs are looked at.
    """
    folders = [folder_of(sweep, run) for run in group.runs[:10]]
    paths = [folder / layout.SPLIT for folder in folders if folder is not None and (folder / layout.SPLIT).is_file()]
    rows = [np.unique(read_split(path)["train"]) for path in paths]
    shares = [len(np.intersect1d(one, other, assume_unique=True)) / max(len(one), len(other), 1)
              for one, other in itertools.combinations(rows, 2)]
    return float(np.mean(shares)) if shares else None


def have_same_rows(sweep: Sweep, group: Group) -> bool:
    """Say whether all runs were trained, validated and tested on the same rows, as dlx ensemble wants it."""
    folders = [folder_of(sweep, run) for run in group.runs]
    paths = [None if folder is None else folder / layout.SPLIT for folder in folders]
    if any(path is None or not path.is_file() for path in paths):
        return False
    contents = {tuple(rows.tobytes() for rows in read_split(path).values()) for path in paths if path is not None}
    return len(contents) == 1
