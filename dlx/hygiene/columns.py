"""Columns of a table that tell the target by themselves, tell nothing, or number the rows. N rows, D columns."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from dlx.core.random import numpy_generator
from dlx.core.types import Kind, TaskSpec
from dlx.hygiene.data import sample

LIMIT, PROMISING = 0.99, 0.9
# Rows times columns that are looked at.
MAX_CELLS = 2**20
MAX_CLASSES = 20
NOUNS = {"table": "column", "image": "pixel", "tokens": "token", "text": "byte"}
MIN_ROWS = 20
# A column with so many different whole numbers, per row, numbers the rows; some may be there twice.
IDENTIFYING = 0.9


class Leak(NamedTuple):
    """A column that tells the target by itself: its name, how well it does, and of what that is the value."""

    column: str
    value: float
    measure: str


class Columns(NamedTuple):
    """What single columns show.

    leaks: the target, by themselves; best: the column that comes closest, if one comes close; constant: one value;
    identifiers: another whole number in nearly every row; num_rows: on how many rows of train, of_rows: of how many;
    limit: above it a column is a leak.
    """

    leaks: tuple[Leak, ...]
    best: Leak | None
    constant: tuple[str, ...]
    identifiers: tuple[str, ...]
    num_rows: int
    of_rows: int
    limit: float = LIMIT


def names_of(spec: TaskSpec, width: int) -> tuple[str, ...]:
    """Return the names of columns, or their numbers: also of pixels, channel by channel and row by row, and tokens."""
    noun = NOUNS.get(spec.layout, "number")
    return tuple(column.name for column in spec.columns) or tuple(f"{noun} {number}" for number in range(width))


def columns_of(inputs: np.ndarray, targets: np.ndarray, spec: TaskSpec) -> Columns:
    """Look at each column of the train rows of a table, or at each number that describes other data.

    Args:
        inputs: [N, D], of a table as the dataset gives them.
        targets: [N].
    """
    chosen = sample(len(inputs), max(500, MAX_CELLS // max(1, inputs.shape[1])), "columns")
    values = inputs[chosen].astype(np.float64)
    is_table = spec.layout == "table"
    names, own = names_of(spec, values.shape[1]), targets[chosen]
    coded = np.array([is_table and len(column.categories) > 2 for column in spec.columns] or [False] * values.shape[1])
    scores = np.where(coded, 0.0, _strength(values, own, spec.kind))
    for number in np.flatnonzero(coded):
        scores[number] = _told_by_category(values[:, number], own, spec.kind)
    scores = np.nan_to_num(scores)
    leaks = [_leak(names[at], scores[at], spec.kind, bool(coded[at])) for at in np.argsort(-scores, kind="stable")]
    varied = np.array([len(np.unique(column)) for column in values.T])
    return Columns(
        tuple(leak for leak in leaks if leak.value > LIMIT), leaks[0] if leaks and leaks[0].value > 0 else None,
        tuple(names[at] for at in np.flatnonzero(varied == 1)) if is_table else (),
        tuple(names[at] for at in range(len(names)) if is_table and _is_identifier(values[:, at], int(varied[at]))),
        len(chosen), len(inputs))


def _leak(name: str, score: float, kind: Kind, coded: bool) -> Leak:
    if coded:
        measure = "share of right answers" if kind == "classification" else "share of variance explained"
    else:
        measure = "AUC of the worst pair of classes" if kind == "classification" else "|rank correlation|"
    return Leak(name, float(score), measure)


def _is_identifier(values: np.ndarray, num_values: int) -> bool:
    whole = bool(np.isfinite(values).all() and (values == np.round(values)).all())
    return whole and len(values) >= MIN_ROWS and num_values >= IDENTIFYING * len(values)


def _strength(values: np.ndarray, targets: np.ndarray, kind: Kind) -> np.ndarray:
    """Return, for each column, how well its order tells the target, in [0, 1], [D]. NaN are the smallest."""
    from scipy.stats import rankdata

    values = np.where(np.isnan(values), -np.inf, values)
    if kind == "regression":
        return _correlations(rankdata(values, axis=0), rankdata(targets))
    classes = np.unique(targets)
    if not 2 <= len(classes) <= MAX_CLASSES:
        return np.zeros(values.shape[1])
    # The area of the pair of classes that a column tells apart worst; without promise its others are not measured.
    worst = np.ones(values.shape[1])
    for number, one in enumerate(classes):
        for other in classes[:number]:
            left = np.flatnonzero(worst > PROMISING)
            rows = (targets == one) | (targets == other)
            worst[left] = np.minimum(worst[left], _areas(rankdata(values[rows][:, left], axis=0),
                                                         targets[rows] == one))
    return np.where(worst > PROMISING, worst, 0.0)


def _areas(ranks: np.ndarray, positive: np.ndarray) -> np.ndarray:
    count = int(positive.sum())
    areas = (ranks[positive].sum(axis=0) - count * (count + 1) / 2) / (count * (len(positive) - count))
    return np.asarray(np.maximum(areas, 1 - areas))


def _correlations(ranks: np.ndarray, target_ranks: np.ndarray) -> np.ndarray:
    centred, target = ranks - ranks.mean(axis=0), target_ranks - target_ranks.mean()
    scale = np.sqrt((centred**2).sum(axis=0) * (target**2).sum())
    return np.asarray(np.abs(target @ centred) / np.where(scale > 0, scale, np.inf))


def _told_by_category(codes: np.ndarray, targets: np.ndarray, kind: Kind) -> float:
    """Return how well the answers of each category in one half of the rows do in the other."""
    half = len(codes) // 2
    mixed = numpy_generator(0, "hygiene-halves", len(codes)).permutation(len(codes))
    codes, targets = codes[mixed], targets[mixed]
    known, numbers = np.unique(codes, return_inverse=True)
    first, second = numbers[:half], numbers[half:]
    if kind == "regression":
        sizes = np.bincount(first, minlength=len(known))
        means = np.bincount(first, weights=targets[:half], minlength=len(known)) / np.maximum(sizes, 1)
        answers = np.where(sizes[second] > 0, means[second], targets[:half].mean())
        spread = ((targets[half:] - targets[half:].mean()) ** 2).sum()
        return float(1 - ((targets[half:] - answers) ** 2).sum() / spread) if spread > 0 else 0.0
    classes, labels = np.unique(targets, return_inverse=True)
    table = np.zeros((len(known), len(classes)))
    np.add.at(table, (first, labels[:half]), 1)
    table += np.bincount(labels[:half], minlength=len(classes)) / half / 2
    right = table.argmax(axis=1)[second] == labels[half:]
    # Of the mean over classes, so that one frequent class does not look like a leak.
    return float(np.mean([right[labels[half:] == own].mean() for own in np.unique(labels[half:])]))
