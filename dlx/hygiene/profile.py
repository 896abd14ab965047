"""What a dataset looks like, in numbers for people. N rows, C classes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from dlx.core.pixels import as_floats
from dlx.core.ragged import Ragged
from dlx.core.types import PER_POSITION, TaskSpec
from dlx.hygiene.data import sample
from dlx.hygiene.properties import properties

MAX_ROWS = 100_000
MAX_ELEMENTS = 2**24


class Column(NamedTuple):
    """A column of a table or a property of other inputs.

    missing: NaN; values: how many different ones; least, median, most, mean, deviation: of numbers; None for
    categories, and where nothing is known; top: the most frequent category and its share.
    """

    name: str
    missing: int
    values: int
    least: float | None
    median: float | None
    most: float | None
    mean: float | None
    deviation: float | None
    top: tuple[str, float] | None


class Targets(NamedTuple):
    """Targets of a split: how many; of each class; or of numbers least, median, most, mean, deviation."""

    num_rows: int
    classes: tuple[int, ...]
    numbers: tuple[float, ...]


class Note(NamedTuple):
    """What else is known of rows: how many values, and the first few."""

    name: str
    values: int
    first: tuple[str, ...]


class Profile(NamedTuple):
    """A dataset.

    bytes: of its inputs; shape, of one input; num_inspected: rows that columns speak of.
    """

    num_rows: int
    kind: str
    layout: str
    shape: tuple[int, ...]
    type: str
    bytes: int
    class_names: tuple[str, ...]
    targets: dict[str, Targets]
    columns: tuple[Column, ...]
    notes: tuple[Note, ...]
    num_inspected: int


def profile(inputs: np.ndarray | Ragged, targets: np.ndarray, notes: Mapping[str, np.ndarray], spec: TaskSpec,
            rows: Mapping[str, np.ndarray]) -> Profile:
    """Describe a dataset as it is given.

    Args:
        rows: of each split.
    """
    values = inputs.values if isinstance(inputs, Ragged) else inputs
    width = max(1, values.size // max(1, len(inputs)))
    chosen = sample(len(inputs), max(1, min(MAX_ROWS, MAX_ELEMENTS // width)), "profile")
    own = inputs[chosen]
    described = {"all": np.arange(len(targets)), **rows} if len(targets) else {}
    return Profile(
        len(inputs), spec.kind, spec.layout, tuple(spec.input_shape), str(values.dtype), int(values.nbytes),
        spec.class_names, {name: _targets(targets[at], spec) for name, at in described.items()},
        (*_all_values(own, spec), *_columns(own, spec)),
        tuple(_note(name, item) for name, item in notes.items()), len(chosen))


def _targets(targets: np.ndarray, spec: TaskSpec) -> Targets:
    if spec.kind == "classification":
        return Targets(len(targets), tuple(np.bincount(targets, minlength=spec.num_outputs).tolist()), ())
    if spec.kind == "multilabel":
        return Targets(len(targets), tuple(targets.sum(axis=0).tolist()), ())
    if spec.kind in PER_POSITION or len(targets) == 0:
        return Targets(len(targets), (), ())
    values = targets.astype(np.float64)
    return Targets(len(targets), (), tuple(map(float, (values.min(), np.median(values), values.max(), values.mean(),
                                                       values.std()))))


def _all_values(inputs: np.ndarray | Ragged, spec: TaskSpec) -> list[Column]:
    if spec.layout not in ("image", "series", "audio"):
        return []
    values = inputs.values if isinstance(inputs, Ragged) else as_floats(inputs)
    name = {"image": "all pixels", "series": "all numbers", "audio": "all samples"}[spec.layout]
    return [_numbers(name, np.asarray(values, np.float64).ravel())]


def _columns(inputs: np.ndarray | Ragged, spec: TaskSpec) -> list[Column]:
    found = properties(inputs, spec)
    categories = [column.categories for column in spec.columns] or [()] * len(found.names)
    return [_categories(name, values, known) if known else _numbers(name, values)
            for name, values, known in zip(found.names, found.values.T, categories, strict=True)] \
        if spec.layout == "table" else [_numbers(name, values) for name, values in zip(found.names, found.values.T,
                                                                                       strict=True)]


def _numbers(name: str, values: np.ndarray) -> Column:
    known = values[np.isfinite(values)]
    facts = (known.min(), np.median(known), known.max(), known.mean(), known.std()) if len(known) else (None,) * 5
    least, median, most, mean, deviation = (None if item is None else float(item) for item in facts)
    return Column(name, int(np.isnan(values).sum()), len(np.unique(known)), least, median, most, mean, deviation, None)


def _categories(name: str, codes: np.ndarray, names: tuple[str, ...]) -> Column:
    known = codes[~np.isnan(codes)].astype(np.int64)
    counts = np.bincount(known, minlength=len(names))
    top = (names[int(counts.argmax())], float(counts.max() / len(known))) if len(known) else None
    return Column(name, int(np.isnan(codes).sum()), int((counts > 0).sum()), None, None, None, None, None, top)


def _note(name: str, values: np.ndarray) -> Note:
    known = np.unique(values.astype(str))
    return Note(name, len(known), tuple(known[:5].tolist()))
