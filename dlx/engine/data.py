"""From a dataset to tensors on the device: split, preprocessing fitted on train, target scale."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
import torch

from dlx.core.device import Placement
from dlx.core.errors import ArtefactError
from dlx.core.pixels import as_floats
from dlx.core.ragged import Ragged
from dlx.core.types import (
    Arrays,
    ChangesSpec,
    Dataset,
    Preprocessing,
    Rows,
    ScalesTarget,
    SelectsRows,
    Split,
    SplitIds,
    TaskSpec,
)
from dlx.engine.learnable import check_classes, check_finite
from dlx.engine.parts import Parts

Statistics = dict[str, dict[str, np.ndarray]]


class Prepared(NamedTuple):
    """Data ready to train on.

    given: what the data looks like before preprocessing; spec: as the model sees it; statistics: of each preprocessing,
    by name; target_shift, target_scale: a model output times scale plus shift is in the target's own units; targets: of
    every row of the dataset, as it gave them but for num_changed train labels that were replaced; fingerprint: SHA-256
    of the data as the dataset gave it.
    """

    given: TaskSpec
    spec: TaskSpec
    splits: dict[str, Split]
    statistics: Statistics
    target_shift: float
    target_scale: float
    targets: np.ndarray
    num_changed: int
    fingerprint: str


class Shelf:
    """Data of several runs in one process: what they have in common is read, split and preprocessed once."""

    def __init__(self) -> None:
        self._prepared: dict[object, Prepared] = {}
        self._alike: dict[object, list[Prepared]] = {}
        self._arrays: dict[object, tuple[Arrays, str]] = {}

    def arrays(self, name: object, read: Callable[[], Arrays]) -> tuple[Arrays, str]:
        """Return a dataset by name with its fingerprint; it is read the first time."""
        if name not in self._arrays:
            arrays = read()
            self._arrays[name] = arrays, fingerprint(arrays)
        return self._arrays[name]

    def prepared(self, data: object, name: object, make: Callable[[], Prepared]) -> Prepared:
        """Return prepared data by name; it is made the first time.

        Args:
            data: name of the dataset. Its inputs that were transformed alike are kept once.
        """
        if name not in self._prepared:
            made, alike = make(), self._alike.setdefault(data, [])
            for other in alike:
                made = sharing(made, other)
            alike.append(made)
            self._prepared[name] = made
        return self._prepared[name]

    def clear(self) -> None:
        """Forget everything."""
        self.__init__()  # type: ignore[misc]


def sharing(made: Prepared, other: Prepared) -> Prepared:
    """Return prepared data with the inputs of other data of the same dataset where they are the same."""
    if _bytes(made.statistics) != _bytes(other.statistics):
        return made
    splits = {name: split._replace(inputs=other.splits[name].inputs)
              if torch.equal(split.ids, other.splits[name].ids) else split for name, split in made.splits.items()}
    return made._replace(splits=splits)


def _bytes(statistics: Statistics) -> dict[str, dict[str, bytes]]:
    return {part: {name: value.tobytes() for name, value in values.items()} for part, values in statistics.items()}


def load(parts: Parts, data_dir: str) -> tuple[Arrays, SplitIds]:
    """Read the data and divide its rows."""
    arrays = parts.dataset.load(data_dir)
    return arrays, divide(parts, arrays)


def given_spec(dataset: Dataset, arrays: Arrays) -> TaskSpec:
    """Return what the data looks like before preprocessing."""
    spec = arrays.spec or dataset.spec()
    assert spec is not None, "a dataset that does not know its spec says it with its arrays"
    return spec


def divide(parts: Parts, arrays: Arrays) -> SplitIds:
    """Divide the rows of a dataset."""
    return parts.split(Rows(arrays.targets, given_spec(parts.dataset, arrays).kind, arrays.test_ids, arrays.notes))


def prepare(parts: Parts, data_dir: str, placement: Placement, statistics: Statistics | None = None) -> Prepared:
    """Load, split, preprocess and place a dataset.

    Args:
        statistics: those of a saved run, instead of fitting them on train.
    """
    arrays = parts.dataset.load(data_dir)
    return prepare_arrays(parts, arrays, fingerprint(arrays), placement, statistics)


def prepare_arrays(parts: Parts, arrays: Arrays, digest: str, placement: Placement, statistics: Statistics | None
                   ) -> Prepared:
    """Split, preprocess and place a dataset that was read; digest is its fingerprint.

    Raises:
        ConfigError: data that cannot be learnt from.
    """
    ids, given = divide(parts, arrays), given_spec(parts.dataset, arrays)
    train, targets, num_changed = parts.train_rows(ids.train, arrays.targets, given)
    check_classes(ids._replace(train=train), targets, given)
    arrays = arrays._replace(targets=targets)
    inputs, spec, statistics, train = transform(parts.preprocessing, arrays, given, train, statistics)
    check_finite(inputs, spec)
    shift, scale = target_scale(parts.preprocessing, statistics)
    placed = targets
    if spec.kind == "regression":
        placed = (targets.astype(np.float64) - shift) / scale
    splits = {name: _place(inputs, placed, rows, spec, placement)
              for name, rows in ids._replace(train=train)._asdict().items()}
    return Prepared(given, spec, splits, statistics, shift, scale, targets, num_changed, digest)


class Transformed(NamedTuple):
    """All rows after preprocessing: inputs [N, ...], what they look like, the statistics, the train rows that stay."""

    inputs: np.ndarray
    spec: TaskSpec
    statistics: Statistics
    train: np.ndarray


def transform(preprocessing: Mapping[str, Preprocessing], arrays: Arrays, spec: TaskSpec, train: np.ndarray,
              statistics: Statistics | None = None) -> Transformed:
    """Transform all rows with each preprocessing, fitted on the train rows as the ones before it left them.

    Args:
        spec: of the rows as they are.
        statistics: those of a saved run, instead of fitting.
    """
    inputs: Any = arrays.inputs
    fitted: Statistics = {}
    for name, part in preprocessing.items():
        if isinstance(part, SelectsRows):
            train = train[part.select(inputs[train], arrays.targets[train], spec)]
        if statistics is None:
            fitted[name] = part.fit(inputs[train], arrays.targets[train], spec)
            inputs = part.apply(inputs, fitted[name])
        else:
            inputs, fitted[name] = apply_saved(name, part, inputs, statistics)
        spec = spec_after(part, spec, fitted[name])
    return Transformed(as_floats(inputs), spec, fitted, train)


def spec_after(part: Preprocessing, spec: TaskSpec, statistics: Mapping[str, np.ndarray]) -> TaskSpec:
    """Return what inputs look like after a fitted preprocessing."""
    after = part.spec_after(spec, statistics) if isinstance(part, ChangesSpec) else spec
    assert after is not None, "a preprocessing knows what it makes once it is fitted"
    return after


def apply_saved(name: str, part: Preprocessing, inputs: np.ndarray, statistics: Statistics
                ) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Transform inputs with the statistics of a checkpoint, and return those. Raises ArtefactError where none fit."""
    known = statistics.get(name, {})
    for value in [] if isinstance(part, ChangesSpec) else known.values():
        if value.size > 1 and not _broadcasts(value.shape, inputs.shape[1:]):
            raise ArtefactError(f"the checkpoint's statistics of preprocessing {name} do not fit the data")
    try:
        return part.apply(inputs, known), known
    except KeyError as error:
        raise ArtefactError(f"the checkpoint lacks the statistic {error} of preprocessing {name}") from error
    except (ValueError, IndexError, TypeError) as error:
        raise ArtefactError(f"the checkpoint's statistics of preprocessing {name} do not fit: {error}") from error


def _broadcasts(shape: tuple[int, ...], target: tuple[int, ...]) -> bool:
    padded = (1,) * (len(target) - len(shape)) + shape
    return len(padded) == len(target) and all(size in (1, wanted) for size, wanted in zip(padded, target, strict=True))


def target_scale(preprocessing: Mapping[str, Preprocessing], statistics: Statistics) -> tuple[float, float]:
    """Return (shift, scale) of a regression's targets; (0, 1) where nothing scales them."""
    for name, part in preprocessing.items():
        if isinstance(part, ScalesTarget):
            return part.target_scale(statistics[name])
    return 0.0, 1.0


def fingerprint(arrays: Arrays) -> str:
    """Return the SHA-256 of shapes, types and values of a dataset, and of which rows are its own test set."""
    digest = hashlib.sha256()
    inputs = [arrays.inputs.values, arrays.inputs.offsets] if isinstance(arrays.inputs, Ragged) else [arrays.inputs]
    for array in (*inputs, arrays.targets, *([] if arrays.test_ids is None else [arrays.test_ids])):
        digest.update(f"{array.shape}{array.dtype}".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def _place(inputs: np.ndarray, targets: np.ndarray, rows: np.ndarray, spec: TaskSpec, placement: Placement) -> Split:
    inputs_type = torch.int64 if spec.layout == "tokens" else placement.dtype
    targets_type = placement.dtype if spec.kind == "regression" else torch.int64
    return Split(torch.from_numpy(inputs[rows]).to(placement.device, inputs_type),
                 torch.from_numpy(targets[rows]).to(placement.device, targets_type), torch.from_numpy(rows))
