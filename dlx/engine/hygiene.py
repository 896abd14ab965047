"""The checks of a run's data, and its model beside simple answers. Checked once per data in a process."""

from __future__ import annotations

import hashlib
import json
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dlx.core.ragged import Ragged
from dlx.core.types import Arrays, Metric, Outcome
from dlx.engine.data import Prepared
from dlx.engine.stored import Stored
from dlx.hygiene.check import Hygiene, Model, check, report_of
from dlx.hygiene.data import Data

# Larger inputs are read again when they are needed.
KEPT_BYTES = 2**28
MAX_KNOWN = 4
_known: OrderedDict[str, Hygiene] = OrderedDict()


def kept(arrays: Arrays, read: Callable[[], Arrays]) -> Callable[[], Arrays]:
    """Return how to get a dataset after training: small and mapped ones are kept, others are read again."""
    inputs = arrays.inputs.values if isinstance(arrays.inputs, Ragged) else arrays.inputs
    return (lambda: arrays) if isinstance(inputs, np.memmap) or inputs.nbytes <= KEPT_BYTES else read


def hygiene(data: Prepared, preprocessing: object, metrics: Mapping[str, Metric],
            outcomes: Mapping[str, Outcome] | None = None, level: float = 0.95) -> dict[str, Any]:
    """Check data, or recall what was found in the same data, and return what was found as JSON holds it.

    Args:
        preprocessing: its configuration, as JSON holds it.
        outcomes: what a trained model said of each held-out split.
        level: of intervals.
    """
    rows = {name: split.ids.numpy() for name, split in data.splits.items()}
    model = None if outcomes is None else Model(outcomes, level)
    return report_of(_checked(data, preprocessing, rows), metrics, rows, model)


def _checked(data: Prepared, preprocessing: object, rows: Mapping[str, np.ndarray]) -> Hygiene:
    key = hashlib.sha256(f"{data.fingerprint}{json.dumps(preprocessing)}".encode())
    for array in (*rows.values(), data.targets):
        key.update(np.ascontiguousarray(array).data)
    name = key.hexdigest()
    if name not in _known:
        _known[name] = check(data_of(data, rows))
        if len(_known) > MAX_KNOWN:
            _known.popitem(last=False)
    return _known[name]


def data_of(data: Prepared, rows: Mapping[str, np.ndarray]) -> Data:
    """Return prepared data as the checks take it."""
    assert data.arrays is not None, "data of a run can be had again"
    arrays = data.arrays()
    on_disk = any(isinstance(split.inputs, Stored) for split in data.splits.values())
    return Data(arrays.inputs, data.targets, arrays.notes, data.given, rows,
                {name: _reader(split.inputs) for name, split in data.splits.items()}, data.spec, on_disk)


def _reader(inputs: Tensor | Stored) -> Callable[[np.ndarray], np.ndarray]:
    def read(places: np.ndarray) -> np.ndarray:
        # All of them, in order, need no copy.
        chosen = inputs if isinstance(inputs, Tensor) and len(places) == len(inputs) else inputs.index_select(
            0, torch.from_numpy(places).to(inputs.device))
        own: np.ndarray = chosen.cpu().numpy()
        return own

    return read
