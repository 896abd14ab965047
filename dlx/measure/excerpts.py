"""One row of data, made small enough to be kept beside what a model said of it.

An excerpt is plain data: {"kind": "image", "shape": [H, W] or [H, W, 3], "pixels": base64 of uint8 bytes},
{"kind": "text", "text": …}, {"kind": "table", "values": [[column, value], …]} or {"kind": "wave", "low": [T],
"high": [T]}, "length" beside it where rows have any length, and "notes": [[name, value], …].
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

import numpy as np

from dlx.core.pixels import as_floats
from dlx.core.ragged import Ragged
from dlx.core.types import PADDING, TaskSpec

LONGEST_SIDE, LONGEST_TEXT, LONGEST_WORD = 64, 300, 60
MAX_TOKENS, MAX_VALUES, MAX_NOTES, WAVE_POINTS = 60, 6, 4, 120
FEW_CHANNELS = 4
Excerpt = dict[str, Any]


def excerpts(rows: np.ndarray | Ragged, ids: np.ndarray, notes: Mapping[str, np.ndarray], spec: TaskSpec,
             some_of_train: np.ndarray | Ragged) -> dict[str, Excerpt]:
    """Make excerpts of rows, by their ids as text.

    Args:
        rows: [N, ...] as the dataset gives them. ids: [N].
        notes: of every row of the dataset.
        spec: of the rows.
        some_of_train: of a table, against which values are unusual.
    """
    if isinstance(rows, Ragged):
        own = [_of_text(text) for text in rows.texts()] if spec.layout == "text" else [
            _of_wave(sound, spec.sample_rate) for sound in rows.items()]
    elif spec.layout == "table":
        assert isinstance(some_of_train, np.ndarray)
        own = _of_table(rows, some_of_train, spec)
    else:
        own = [_of_array(row, spec) for row in rows]
    return {str(row): {**item, **_notes(notes, row)} for row, item in zip(ids.tolist(), own, strict=True)}


def _notes(notes: Mapping[str, np.ndarray], row: int) -> Excerpt:
    known = [[str(name)[:LONGEST_WORD], str(values[row])[:LONGEST_WORD]]
             for name, values in list(notes.items())[:MAX_NOTES]]
    return {"notes": known} if known else {}


def _of_text(text: str) -> Excerpt:
    return {"kind": "text", "text": shortened(" ".join(text.split())), "length": len(text)}


def shortened(text: str) -> str:
    """Return at most 300 characters of a text."""
    return text if len(text) <= LONGEST_TEXT else text[: LONGEST_TEXT - 1] + "…"


def _of_array(row: np.ndarray, spec: TaskSpec) -> Excerpt:
    if spec.layout == "image":
        return _of_image(as_floats(row), row.dtype == np.uint8)
    if spec.layout == "tokens":
        row = row[: len(row) - int((row[::-1] != PADDING).argmax())] if (row != PADDING).any() else row[:0]
        shown = " ".join(map(str, row[:MAX_TOKENS].tolist())) + (" …" if len(row) > MAX_TOKENS else "")
        return {"kind": "text", "text": shown, "length": len(row)}
    if spec.layout == "audio":
        return _of_wave(row.reshape(-1), spec.sample_rate)
    series = row[row[:, -1] > 0][:, :-1]
    if len(series) and 0 < series.shape[1] <= FEW_CHANNELS:
        return _of_wave(series[:, 0], 0)
    return {**_of_image(series.T[None, ::-1] if series.size else np.zeros((1, 1, 1)), False), "length": len(series)}


def _of_image(values: np.ndarray, is_in_range: bool) -> Excerpt:
    """values [C, H, W]: three channels are colours, of others the first is shown; spread over 0 to 255 if not bytes."""
    values = values[:3] if len(values) == 3 else values[:1]
    step = -(-max(values.shape[1:]) // LONGEST_SIDE)
    values = np.nan_to_num(values)
    if step > 1:
        values = _averaged(values, step)
    low, high = (0.0, 1.0) if is_in_range else (float(values.min()), float(values.max()))
    pixels = np.round(255 * np.clip((values - low) / max(high - low, 1e-12), 0, 1)).astype(np.uint8)
    pixels = np.ascontiguousarray(np.moveaxis(pixels, 0, -1) if len(pixels) == 3 else pixels[0])
    return {"kind": "image", "shape": list(pixels.shape), "pixels": base64.b64encode(pixels.tobytes()).decode()}


def _averaged(values: np.ndarray, step: int) -> np.ndarray:
    """Average blocks of step by step pixels; a side shorter than a block is one pixel wide."""
    rows, columns = (np.arange(0, side, step) for side in values.shape[1:])
    sums = np.add.reduceat(np.add.reduceat(values.astype(np.float64), rows, axis=1), columns, axis=2)
    sizes = [np.diff([*starts, side]) for starts, side in zip((rows, columns), values.shape[1:], strict=True)]
    result: np.ndarray = sums / (sizes[0][:, None] * sizes[1])
    return result


def pixels_of(excerpt: Mapping[str, Any]) -> np.ndarray:
    """Return the pixels of an image, uint8 [H, W] or [H, W, 3].

    Raises:
        ValueError: they are not as many as their shape says.
    """
    shape = [int(side) for side in excerpt["shape"]]
    pixels = np.frombuffer(base64.b64decode(excerpt["pixels"], validate=True), np.uint8)
    if len(shape) not in (2, 3) or min(shape) < 1 or (len(shape) == 3 and shape[2] != 3):
        raise ValueError(f"shape {shape} is not that of an image")
    return pixels.reshape(shape)


def _of_wave(values: np.ndarray, sample_rate: int) -> Excerpt:
    """Keep the lowest and highest value of each of at most 120 stretches."""
    values = np.nan_to_num(np.asarray(values, np.float64))
    if len(values) == 0:
        return {"kind": "wave", "low": [], "high": [], "length": 0}
    starts = np.unique(np.linspace(0, len(values), WAVE_POINTS, endpoint=False).astype(np.int64))
    low, high = (np.round(ufunc.reduceat(values, starts), 4).tolist() for ufunc in (np.minimum, np.maximum))
    length = len(values) / sample_rate if sample_rate else len(values)
    return {"kind": "wave", "low": low, "high": high, "length": length}


def _of_table(rows: np.ndarray, train: np.ndarray, spec: TaskSpec) -> list[Excerpt]:
    """Keep the values that lie furthest from the mean of train, in its standard deviations; then categories."""
    rows, train = (np.asarray(own, np.float64).reshape(len(own), -1) for own in (rows, train))
    names = [column.name for column in spec.columns] or [f"column {number}" for number in range(rows.shape[1])]
    known = [column.categories for column in spec.columns] or [()] * rows.shape[1]
    ranked = np.array([not categories for categories in known])
    missing = np.isnan(train)
    count = np.maximum((~missing).sum(axis=0), 1)
    mean = np.where(missing, 0, train).sum(axis=0) / count
    deviation = np.sqrt(np.where(missing, 0, (train - mean) ** 2).sum(axis=0) / count)
    far = np.where(ranked, np.abs(rows - mean) / np.where(deviation > 0, deviation, np.inf), 0)
    far = np.where(np.isnan(far), 0, far)
    return [{"kind": "table", "values": [[names[at], _cell(row[at], known[at])]
                                         for at in np.argsort(-own, kind="stable")[:MAX_VALUES].tolist()]}
            for row, own in zip(rows, far, strict=True)]


def _cell(value: float, categories: tuple[str, ...]) -> str:
    if not np.isfinite(value):
        return "missing" if np.isnan(value) else str(value)
    if categories:
        code = int(value)
        return categories[code][:LONGEST_WORD] if 0 <= code < len(categories) else str(code)
    return f"{value:.4g}"
