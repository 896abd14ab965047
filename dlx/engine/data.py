"""From a dataset to tensors on the device: split, preprocessing fitted on train, target scale."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from dlx.core.blocks import blocks, in_blocks
from dlx.core.device import Device, Placement
from dlx.core.errors import ConfigError
from dlx.core.memory import free_bytes
from dlx.core.ragged import Ragged
from dlx.core.types import (
    IGNORED,
    PADDING,
    Arrays,
    Dataset,
    Preprocessing,
    Rows,
    ScalesTarget,
    Split,
    SplitIds,
    TaskSpec,
)
from dlx.engine.classes import Chosen
from dlx.engine.learnable import check_classes, check_finite, check_lengths
from dlx.engine.parts import Parts
from dlx.engine.pipeline import Statistics, fit, fit_blocks
from dlx.engine.stored import Source, Stored

# Of the free memory that the prepared inputs of mapped data may take before they stay on disk.
MEMORY_SHARE = 0.25
# Says the fingerprint of a dataset, once it is computed.
Digest = Callable[[], str]


class Prepared(NamedTuple):
    """Data ready to train on.

    given: what the data looks like before preprocessing; spec: as the model sees it; statistics: of each preprocessing,
    by name; target_shift, target_scale: a model output times scale plus shift is in the target's own units; targets: of
    every row of the dataset, as it gave them but for num_changed train labels that were replaced, or renumbered where
    classes were chosen, or the next tokens; fingerprint: SHA-256 of the data as the dataset gave it; arrays: the data
    as the dataset gives it, where somebody may need it again.
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
    arrays: Callable[[], Arrays] | None = None


class Shelf:
    """Data of several runs in one process: what they have in common is read, split and preprocessed once."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Forget everything."""
        self._prepared: dict[object, Prepared] = {}
        self._alike: dict[object, list[Prepared]] = {}
        self._arrays: dict[object, tuple[Arrays, Digest]] = {}

    def arrays(self, name: object, read: Callable[[], Arrays]) -> tuple[Arrays, Digest]:
        """Return a dataset by name with its fingerprint; it is read the first time."""
        if name not in self._arrays:
            arrays = read()
            self._arrays[name] = arrays, begin_fingerprint(arrays)
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
    return arrays, divide(parts, arrays, parts.classes(arrays.targets, given_spec(parts.dataset, arrays)))


def given_spec(dataset: Dataset, arrays: Arrays) -> TaskSpec:
    """Return what the data looks like before preprocessing."""
    spec = arrays.spec or dataset.spec()
    assert spec is not None, "a dataset that does not know its spec says it with its arrays"
    return spec


def divide(parts: Parts, arrays: Arrays, chosen: Chosen | None = None) -> SplitIds:
    """Divide the rows of a dataset, or those of the classes that were chosen."""
    kind = given_spec(parts.dataset, arrays).kind
    if chosen is None:
        return parts.split(Rows(arrays.targets, kind, arrays.test_ids, arrays.notes))
    rows = chosen.rows
    own_test = None if arrays.test_ids is None else np.flatnonzero(np.isin(rows, arrays.test_ids))
    notes = {name: note[rows] for name, note in arrays.notes.items()}
    return SplitIds(*(rows[own] for own in parts.split(Rows(chosen.targets[rows], kind, own_test, notes))))


def prepare(parts: Parts, data_dir: str, placement: Placement, statistics: Statistics | None = None) -> Prepared:
    """Load, split, preprocess and place a dataset.

    Args:
        statistics: those of a saved run, instead of fitting them on train.
    """
    arrays = parts.dataset.load(data_dir)
    return prepare_arrays(parts, arrays, begin_fingerprint(arrays), placement, statistics)


def prepare_arrays(parts: Parts, arrays: Arrays, digest: Digest, placement: Placement, statistics: Statistics | None
                   ) -> Prepared:
    """Split, preprocess and place a dataset that was read; digest says its fingerprint.

    Raises:
        ConfigError: data that cannot be learnt from.
    """
    given = given_spec(parts.dataset, arrays)
    chosen = parts.classes(arrays.targets, given)
    targets, given = (arrays.targets, given) if chosen is None else (chosen.targets, chosen.spec)
    ids = divide(parts, arrays, chosen)
    train, targets, num_changed = parts.train_rows(ids.train, targets, given)
    check_classes(ids._replace(train=train), targets, given)
    inputs: dict[str, Tensor | Stored]
    if stays_on_disk(arrays, parts.device):
        assert isinstance(arrays.inputs, np.ndarray)
        pipeline = fit_blocks(parts.preprocessing, arrays.inputs, train, given, statistics)
        inputs = {name: Stored((Source(arrays.inputs, rows, pipeline),), placement.device, placement.dtype)
                  for name, rows in ids._replace(train=train)._asdict().items()}
    else:
        pipeline, train, made = fit(parts.preprocessing, arrays.inputs, targets, train, given, statistics)
        values = {"train": made, **{name: in_blocks(pipeline, arrays.inputs, rows)
                                    for name, rows in ids._asdict().items() if name != "train"}}
        if pipeline.spec.next_token:
            values, targets = next_tokens(values, ids._replace(train=train), len(targets))
        for name, rows in ids._replace(train=train)._asdict().items():
            check_lengths(values[name], targets[rows], rows, pipeline.spec)
        inputs = {name: _placed(rows, pipeline.spec, placement) for name, rows in values.items()}
    shift, scale = target_scale(parts.preprocessing, pipeline.statistics)
    own = (targets.astype(np.float64) - shift) / scale if given.kind == "regression" else targets
    dtype = placement.dtype if given.kind == "regression" else torch.int64
    splits = {name: Split(inputs[name], torch.from_numpy(own[rows]).to(placement.device, dtype), torch.from_numpy(rows))
              for name, rows in ids._replace(train=train)._asdict().items()}
    return Prepared(given, pipeline.spec, splits, pipeline.statistics, shift, scale, targets, num_changed, digest())


def next_tokens(tokens: Mapping[str, np.ndarray], ids: SplitIds, count: int
                ) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Ask of every token for the one after it.

    Args:
        tokens: of each split [N, L + 1].
        ids: the rows of each split; count: of rows in all.

    Returns:
        Inputs of each split [N, L], and targets [count, L].

    Raises:
        ConfigError: a text of one token, of which nothing can be asked.
    """
    inputs = {name: rows[:, :-1] for name, rows in tokens.items()}
    targets = np.full((count, *inputs["train"].shape[1:]), IGNORED, np.int64)
    for rows, own in zip(tokens.values(), (getattr(ids, name) for name in tokens), strict=True):
        short = own[rows[:, 1] == PADDING]
        if short.size > 0:
            raise ConfigError(f"{short.size} texts have fewer than two tokens, so that none comes after another; the "
                              f"first of them is row {short[0]}: leave such texts out")
        targets[own] = np.where(rows[:, 1:] == PADDING, IGNORED, rows[:, 1:])
    return inputs, targets


def stays_on_disk(arrays: Arrays, device: Device) -> bool:
    """Decide where the inputs are while a run trains: as the device says, else on disk where memory is short.

    Raises:
        ConfigError: the device says disk, and the inputs are texts or audio.
    """
    if device.data == "disk" and isinstance(arrays.inputs, Ragged):
        raise ConfigError("device.data=disk is for images, tables and series: text and audio are read into memory")
    if device.data != "auto" or not isinstance(arrays.inputs, np.memmap):
        return device.data == "disk"
    return arrays.inputs.size * np.dtype(np.float32).itemsize > MEMORY_SHARE * free_bytes(torch.device("cpu"))


def _placed(inputs: np.ndarray, spec: TaskSpec, placement: Placement) -> Tensor:
    check_finite(inputs, spec)
    dtype = torch.int64 if spec.layout == "tokens" else placement.dtype
    return torch.from_numpy(inputs).to(placement.device, dtype)


def target_scale(preprocessing: Mapping[str, Preprocessing], statistics: Statistics) -> tuple[float, float]:
    """Return (shift, scale) of a regression's targets; (0, 1) where nothing scales them."""
    for name, part in preprocessing.items():
        if isinstance(part, ScalesTarget):
            return part.target_scale(statistics[name])
    return 0.0, 1.0


def begin_fingerprint(arrays: Arrays) -> Digest:
    """Compute the fingerprint in a thread, which needs nothing of Python's but the start of each block."""
    pool = ThreadPoolExecutor(1, "dlx-fingerprint")
    computed = pool.submit(fingerprint, arrays)
    pool.shutdown(wait=False)
    return computed.result


def fingerprint(arrays: Arrays) -> str:
    """Return the SHA-256 of shapes, types and values of a dataset, and of which rows are its own test set."""
    digest = hashlib.sha256()
    inputs = [arrays.inputs.values, arrays.inputs.offsets] if isinstance(arrays.inputs, Ragged) else [arrays.inputs]
    for array in (*inputs, arrays.targets, *([] if arrays.test_ids is None else [arrays.test_ids])):
        digest.update(f"{array.shape}{array.dtype}".encode())
        for block in blocks(array):
            digest.update(np.ascontiguousarray(block).data)
    return digest.hexdigest()
