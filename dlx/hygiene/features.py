"""Any inputs as numbers that can be compared: what near duplicates, shift and baselines look at.

N rows, D features, L positions.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from dlx.core.pixels import as_floats
from dlx.core.ragged import Ragged
from dlx.core.types import PADDING, TaskSpec
from dlx.hygiene.data import TRAIN, Data, sample

# Larger pictures and longer series are averaged to this size per axis.
SIDE = 32
# Whose squares float32 still holds.
LARGEST = 1e15
TOKEN_FEATURES = 512
MAX_CATEGORIES = 32
# 256 MB of float32, of all splits together.
MAX_ELEMENTS = 2**26
MAX_ROWS = 70_000
ELEMENTS_AT_ONCE = 2**22


class Features(NamedTuple):
    """Numbers of each split, without NaN.

    values: float32 [n, D] by split; places: which positions of the split they are, [n]; rows: their row numbers [n];
    targets: of those rows; of_rows: how many rows each split has in all; made: how, in words, where it is not plainly
    the inputs.
    """

    values: Mapping[str, np.ndarray]
    places: Mapping[str, np.ndarray]
    rows: Mapping[str, np.ndarray]
    targets: Mapping[str, np.ndarray]
    of_rows: Mapping[str, int]
    made: str

    def some(self, split: str, most: int, purpose: str) -> np.ndarray:
        """Choose at most so many positions of a split of these."""
        return sample(len(self.values[split]), most, f"{purpose}-{split}")


def features_of(data: Data) -> Features:
    """Make numbers of what the model sees, of at most 70,000 rows and 64 Mi numbers."""
    total = sum(map(len, data.rows.values()))
    width = _flattened(data.prepared[TRAIN](np.arange(1)), data.prepared_spec).shape[1]
    most = MAX_ELEMENTS // 4 if data.is_on_disk else MAX_ELEMENTS
    share = min(1.0, MAX_ROWS / total, most / (total * max(1, width)))
    places = {name: sample(len(rows), max(1, int(share * len(rows))), f"features-{name}")
              for name, rows in data.rows.items()}
    values = _without_nan({name: _read(data, name, own) for name, own in places.items()})
    rows = {name: data.rows[name][own] for name, own in places.items()}
    return Features(values, places, rows, {name: data.targets[own] for name, own in rows.items()},
                    {name: len(own) for name, own in data.rows.items()}, _how(data.prepared_spec))


def _read(data: Data, split: str, places: np.ndarray) -> np.ndarray:
    """Make numbers of inputs; of those on disk not of all at once, which may be larger than what is made of them."""
    step = len(places)
    if data.is_on_disk:
        step = max(1, ELEMENTS_AT_ONCE // max(1, math.prod(data.prepared_spec.input_shape)))
    made = [_flattened(data.prepared[split](places[low : low + step]), data.prepared_spec)
            for low in range(0, len(places), step)]
    return made[0] if len(made) == 1 else np.concatenate(made)


def _flattened(inputs: np.ndarray | Ragged, spec: TaskSpec) -> np.ndarray:
    if isinstance(inputs, Ragged):
        return _byte_shares(inputs) if spec.layout == "text" else _pooled_sound(inputs)
    if spec.layout == "tokens":
        return token_shares(inputs)
    values = as_floats(inputs)
    if spec.layout == "table":
        return _one_hot(values, spec).astype(np.float32, copy=False)
    for axis in (2, 3) if spec.layout == "image" else (1,):
        values = _pool(values, axis)
    return np.asarray(values.reshape(len(values), -1), np.float32)


def _pool(values: np.ndarray, axis: int) -> np.ndarray:
    size = values.shape[axis]
    if size <= SIDE:
        return values
    starts = np.arange(SIDE) * size // SIDE
    widths = np.diff([*starts, size]).reshape([-1 if own == axis else 1 for own in range(values.ndim)])
    pooled: np.ndarray = np.add.reduceat(values, starts, axis=axis) / widths.astype(np.float32)
    return pooled


def token_shares(tokens: np.ndarray) -> np.ndarray:
    """Return how often each token occurs in each text [N, 512], of unit length; rarer ones share places."""
    num_rows = len(tokens)
    at = np.arange(num_rows)[:, None] * TOKEN_FEATURES + tokens % TOKEN_FEATURES
    counts = np.bincount(at[tokens != PADDING], minlength=num_rows * TOKEN_FEATURES).reshape(num_rows, TOKEN_FEATURES)
    return _unit(np.sqrt(counts))


def _byte_shares(texts: Ragged) -> np.ndarray:
    at = np.repeat(np.arange(len(texts)), texts.lengths) * 256 + texts.values
    return _unit(np.sqrt(np.bincount(at, minlength=len(texts) * 256).reshape(len(texts), 256)))


def _pooled_sound(sounds: Ragged) -> np.ndarray:
    """Return the loudness (root mean square) of 32 equal parts of each waveform, [N, 32]."""
    values = np.zeros((len(sounds), SIDE), np.float32)
    for number, item in enumerate(sounds.items()):
        for place, part in enumerate(np.array_split(item, SIDE)):
            values[number, place] = np.sqrt(np.mean(np.square(part))) if len(part) else 0
    return values


def _unit(counts: np.ndarray) -> np.ndarray:
    lengths = np.sqrt(np.square(counts).sum(axis=1, keepdims=True))
    scaled: np.ndarray = (counts / np.maximum(lengths, 1e-12)).astype(np.float32)
    return scaled


def _one_hot(values: np.ndarray, spec: TaskSpec) -> np.ndarray:
    counts = [len(column.categories) for column in spec.columns]
    if not any(2 < count <= MAX_CATEGORIES for count in counts):
        return values.reshape(len(values), -1)
    made = []
    for column, count in zip(values.T, counts, strict=True):
        coded = 2 < count <= MAX_CATEGORIES
        made.append((column[:, None] == np.arange(count)).astype(np.float32) if coded else column[:, None])
    return np.concatenate(made, axis=1)


def _without_nan(values: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Put the mean of train in the place of what is missing or beyond 1e15, and add a column that says so."""
    gaps = {name: ~(np.abs(own) < LARGEST) for name, own in values.items()}
    missing = np.any([own.any(axis=0) for own in gaps.values()], axis=0)
    if not missing.any():
        return dict(values)
    train, known = values[TRAIN], ~gaps[TRAIN]
    totals = np.where(known, train, 0).sum(axis=0, dtype=np.float64)
    mean = (totals / np.maximum(known.sum(axis=0), 1)).astype(np.float32)
    return {name: np.concatenate([np.where(gaps[name], mean, own), gaps[name][:, missing]], axis=1, dtype=np.float32)
            for name, own in values.items()}


def _how(spec: TaskSpec) -> str:
    return {"tokens": "how often each token occurs in a text", "text": "how often each byte occurs in a text",
            "audio": "the loudness of 32 parts of a sound"}.get(spec.layout, "the inputs after preprocessing")
