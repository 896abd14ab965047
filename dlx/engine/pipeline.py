"""Preprocessing in order: fitted on train, then applied to any rows. N rows, n train rows.

Rows are transformed in blocks, so that what is in between never takes the memory of the whole.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from dlx.core.blocks import blocks, in_blocks
from dlx.core.errors import ArtefactError, ConfigError
from dlx.core.pixels import as_floats
from dlx.core.types import ChangesSpec, FitsBlocks, Preprocessing, SelectsRows, TaskSpec

Statistics = dict[str, dict[str, np.ndarray]]
# What statistics that do not fit raise.
DAMAGED = (KeyError, ValueError, IndexError, TypeError, AttributeError)


@dataclass(frozen=True)
class Pipeline:
    """Fitted preprocessing.

    Args:
        parts: by name, in order.
        statistics: of each part.
        spec: what rows look like afterwards.
        is_saved: the statistics are those of a checkpoint, and may not fit.
    """

    parts: Mapping[str, Preprocessing]
    statistics: Statistics
    spec: TaskSpec
    is_saved: bool = False

    def __call__(self, inputs: Any) -> np.ndarray:
        """Transform rows [N, ...] to what a model takes: bytes of images become numbers in [0, 1].

        Raises:
            ArtefactError: the statistics of a checkpoint do not fit.
        """
        return as_floats(self.raw(inputs))

    def raw(self, inputs: Any) -> np.ndarray:
        """Transform rows [N, ...] for further parts, to which bytes come as bytes."""
        for name, part in self.parts.items():
            known = self.statistics[name]
            inputs = apply_saved(name, part, inputs, known) if self.is_saved else part.apply(inputs, known)
        made: np.ndarray = inputs
        return made


class Fitted(NamedTuple):
    """A pipeline, the train rows [n] that its parts left, and what it makes of them, where they are in memory."""

    pipeline: Pipeline
    train: np.ndarray
    inputs: np.ndarray


def fit(preprocessing: Mapping[str, Preprocessing], inputs: Any, targets: np.ndarray, train: np.ndarray,
        spec: TaskSpec, saved: Statistics | None = None) -> Fitted:
    """Fit each part on the train rows as the ones before it left them.

    Args:
        inputs: of all rows [N, ...]; targets [N, ...].
        train: row numbers [n].
        spec: of the rows as they are.
        saved: statistics of a checkpoint, instead of fitting.
    """
    rows: Any = inputs[train]
    statistics: Statistics = {}
    for name, part in preprocessing.items():
        if isinstance(part, SelectsRows):
            kept = part.select(rows, targets[train], spec)
            rows, train = rows[kept], train[kept]
        statistics[name] = part.fit(rows, targets[train], spec) if saved is None else saved.get(name, {})
        alone = Pipeline({name: part}, {name: statistics[name]}, spec, saved is not None)
        spec = spec_after(name, part, spec, statistics[name], saved is not None)
        rows = in_blocks(alone.raw, rows)
    return Fitted(Pipeline(preprocessing, statistics, spec, saved is not None), train, as_floats(rows))


def fit_blocks(preprocessing: Mapping[str, Preprocessing], inputs: np.ndarray, train: np.ndarray, spec: TaskSpec,
               saved: Statistics | None = None) -> Pipeline:
    """Fit like `fit`, without ever holding the train rows.

    Raises:
        ConfigError: a part that needs all of them.
    """
    done = Pipeline({}, {}, spec, saved is not None)
    for name, part in preprocessing.items():
        if not isinstance(part, FitsBlocks) or isinstance(part, SelectsRows):
            raise ConfigError(f"preprocessing={name} needs the train rows in memory, and this data stays on disk: set "
                              f"device.data=memory, or leave it out")
        made = (done.raw(block) for block in blocks(inputs, train))
        known = part.fit_blocks(made, spec) if saved is None else saved.get(name, {})
        spec = spec_after(name, part, spec, known, saved is not None)
        done = Pipeline({**done.parts, name: part}, {**done.statistics, name: known}, spec, saved is not None)
    return done


def spec_after(name: str, part: Preprocessing, spec: TaskSpec, statistics: Mapping[str, np.ndarray],
               is_saved: bool = False) -> TaskSpec:
    """Return what inputs look like after a fitted preprocessing.

    Args:
        is_saved: the statistics are those of a checkpoint.

    Raises:
        ArtefactError: the statistics of a checkpoint do not fit.
    """
    if not isinstance(part, ChangesSpec):
        return spec
    try:
        after = part.spec_after(spec, statistics)
    except (*DAMAGED, ConfigError) as error:
        if not is_saved:
            raise
        raise ArtefactError(f"the checkpoint's statistics of preprocessing {name} do not fit: {error!r}") from error
    if after is None and is_saved:
        raise ArtefactError(f"the checkpoint's statistics of preprocessing {name} do not say what it makes")
    assert after is not None, "a preprocessing knows what it makes once it is fitted"
    return after


def apply_saved(name: str, part: Preprocessing, inputs: Any, statistics: Mapping[str, np.ndarray]) -> np.ndarray:
    """Transform inputs with the statistics of a checkpoint. Raises ArtefactError where they do not fit."""
    for value in [] if isinstance(part, ChangesSpec) else statistics.values():
        if value.size > 1 and not _broadcasts(value.shape, inputs.shape[1:]):
            raise ArtefactError(f"the checkpoint's statistics of preprocessing {name} do not fit the data")
    try:
        return part.apply(inputs, statistics)
    except KeyError as error:
        raise ArtefactError(f"the checkpoint lacks the statistic {error} of preprocessing {name}") from error
    except DAMAGED as error:
        raise ArtefactError(f"the checkpoint's statistics of preprocessing {name} do not fit: {error}") from error


def _broadcasts(shape: tuple[int, ...], target: tuple[int, ...]) -> bool:
    padded = (1,) * (len(target) - len(shape)) + shape
    return len(padded) == len(target) and all(size in (1, wanted) for size, wanted in zip(padded, target, strict=True))
