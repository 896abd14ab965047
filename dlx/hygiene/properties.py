"""A few numbers that people know of every kind of data: what is tested for shift one by one. N rows, P properties."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from dlx.core.blocks import in_blocks
from dlx.core.pixels import as_floats
from dlx.core.ragged import Ragged
from dlx.core.types import PADDING, TaskSpec
from dlx.hygiene.columns import names_of


class Properties(NamedTuple):
    """Numbers [N, P] by name; categorical: which of them are codes of categories, [P]."""

    values: np.ndarray
    names: tuple[str, ...]
    categorical: np.ndarray


def properties_of(inputs: np.ndarray | Ragged, rows: np.ndarray, spec: TaskSpec) -> Properties:
    """Return the properties of some rows of inputs."""
    if isinstance(inputs, Ragged):
        return properties(inputs[rows], spec)
    values = in_blocks(lambda block: properties(block, spec).values, inputs, rows)
    return properties(inputs[rows[:1]], spec)._replace(values=values)


def properties(inputs: np.ndarray | Ragged, spec: TaskSpec) -> Properties:
    """Return the columns of a table; of pictures brightness, contrast and colours; of others length and more."""
    if spec.layout == "table":
        assert isinstance(inputs, np.ndarray)
        values = inputs.reshape(len(inputs), -1).astype(np.float64)
        coded = [len(column.categories) > 2 for column in spec.columns] or [False] * values.shape[1]
        return Properties(values, names_of(spec, values.shape[1]), np.array(coded, bool))
    made = (_of_ragged(inputs, spec) if isinstance(inputs, Ragged) else _of_pictures(inputs) if spec.layout == "image"
            else _of_tokens(inputs) if spec.layout == "tokens" else _of_series(inputs))
    values = np.stack([np.asarray(own, np.float64) for own in made.values()], axis=1)
    return Properties(values, tuple(made), np.zeros(len(made), bool))


def _of_pictures(inputs: np.ndarray) -> dict[str, np.ndarray]:
    values = as_floats(inputs).reshape(len(inputs), inputs.shape[1], -1)
    channels = values.mean(axis=2)
    made = {"brightness": channels.mean(axis=1), "contrast": values.reshape(len(inputs), -1).std(axis=1)}
    if channels.shape[1] == 3:
        made |= {name: channels[:, number] - made["brightness"] for number, name in enumerate(("red", "green", "blue"))}
    elif channels.shape[1] > 1:
        made |= {f"channel {number}": channels[:, number] for number in range(channels.shape[1])}
    return made


def _of_ragged(inputs: Ragged, spec: TaskSpec) -> dict[str, np.ndarray]:
    lengths = inputs.lengths
    sizes = np.maximum(lengths, 1)
    if spec.layout == "text":
        spaces = _sums((inputs.values == ord(" ")).astype(np.float64), inputs)
        others = _sums((inputs.values > 127).astype(np.float64), inputs)
        return {"length in bytes": lengths, "share of spaces": spaces / sizes, "share beyond ASCII": others / sizes}
    loudness = np.sqrt(_sums(np.square(inputs.values, dtype=np.float64), inputs) / sizes)
    return {"length in samples": lengths, "loudness (root mean square)": loudness}


def _sums(values: np.ndarray, ragged: Ragged) -> np.ndarray:
    totals = np.concatenate([[0.0], values.cumsum()])
    return np.asarray(np.diff(totals[ragged.offsets]))


def _of_tokens(inputs: np.ndarray) -> dict[str, np.ndarray]:
    present = inputs != PADDING
    lengths = present.sum(axis=1)
    totals = np.where(present, inputs, 0).sum(axis=1)
    return {"length in tokens": lengths, "mean token": totals / np.maximum(lengths, 1)}


def _of_series(inputs: np.ndarray) -> dict[str, np.ndarray]:
    present = inputs[:, :, -1:] > 0
    sizes = np.maximum(present.sum(axis=1), 1)
    values = np.where(present, inputs[:, :, :-1], 0).astype(np.float64)
    mean = values.sum(axis=1) / sizes
    spread = np.sqrt(np.maximum((values**2).sum(axis=1) / sizes - mean**2, 0))
    return {"length": present[:, :, 0].sum(axis=1), "mean": mean.mean(axis=1), "deviation": spread.mean(axis=1)}
