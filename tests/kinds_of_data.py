"""A small data set of every kind that a preprocessing may meet, each with a test set of its own, and poison for it.

N rows, C channels, D columns, L positions.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from small_runs import InMemory, digits, table

from dlx.core.ragged import Ragged
from dlx.core.types import Arrays, Column, TaskSpec

NUM_ROWS = 100
NAMES = ("no", "yes")
RAW = ("text", "audio")


def _labelled(spec: TaskSpec, inputs: np.ndarray | Ragged) -> InMemory:
    targets = np.arange(NUM_ROWS) % 2 if spec.kind == "classification" else np.arange(NUM_ROWS, dtype=np.float32)
    return InMemory(spec, Arrays(inputs, targets, np.arange(NUM_ROWS * 4 // 5, NUM_ROWS)))


def bytes_image() -> InMemory:
    """Colour images [3, 9, 12] of bytes."""
    inputs = np.random.default_rng(1).integers(0, 256, (NUM_ROWS, 3, 9, 12), np.uint8)
    return _labelled(TaskSpec("classification", "image", (3, 9, 12), 2, NAMES), inputs)


def mixed_table() -> InMemory:
    """Two columns of numbers and two of categories, a tenth of their values missing."""
    draw = np.random.default_rng(2)
    columns = (Column("age"), Column("colour", ("red", "green", "blue")), Column("income"),
               Column("town", ("Bern", "Oslo", "Rome", "Paris", "Lima")))
    codes = [draw.choice(size, NUM_ROWS, p=chances) for size, chances in (
        (3, [0.5, 0.3, 0.2]), (5, [0.5, 0.3, 0.1, 0.07, 0.03]))]
    inputs = np.stack([draw.normal(40, 9, NUM_ROWS), codes[0], draw.lognormal(9, 1, NUM_ROWS), codes[1]], axis=1)
    inputs[draw.random(inputs.shape) < 0.1] = np.nan
    return _labelled(TaskSpec("classification", "table", (4,), 2, NAMES, columns), inputs.astype(np.float32))


def texts() -> InMemory:
    """Texts of one to nine words, umlauts among them."""
    draw = np.random.default_rng(3)
    words = ["a", "house", "tree", "river", "Bär", "runs", "sleeps", "under", "over", "the"]
    return _labelled(TaskSpec("classification", "text", (), 2, NAMES), Ragged.of_texts(
        [" ".join(draw.choice(words, draw.integers(1, 10))) + "." for _ in range(NUM_ROWS)]))


def audio() -> InMemory:
    """Noisy tones of 0.1 to 0.3 seconds at 8 kHz."""
    draw = np.random.default_rng(4)
    waves = [np.sin(np.arange(draw.integers(800, 2400)) * draw.uniform(0.1, 1)) for _ in range(NUM_ROWS)]
    noisy = [(0.5 * wave + draw.normal(0, 0.01, len(wave))).astype(np.float32) for wave in waves]
    return _labelled(TaskSpec("classification", "audio", (), 2, NAMES, sample_rate=8000), Ragged.of(noisy))


def clips() -> InMemory:
    """Noisy tones of 0.1 seconds at 8 kHz."""
    given, size = audio(), 800
    waves = Ragged.of([wave[:size] for wave in given.arrays.inputs.items()])
    return InMemory(replace(given.task, input_shape=(size,)), given.arrays._replace(inputs=waves))


def tokens() -> InMemory:
    """Tokens of 11 kinds, between 2 and 7 in a row of 7."""
    draw = np.random.default_rng(5)
    inputs = draw.integers(1, 12, (NUM_ROWS, 7))
    inputs[np.arange(7) >= draw.integers(2, 8, (NUM_ROWS, 1))] = 0
    return _labelled(TaskSpec("classification", "tokens", (7,), 2, NAMES, vocabulary_size=12), inputs)


def series() -> InMemory:
    """Two channels and the mask, between 2 and 7 positions of 7."""
    draw = np.random.default_rng(6)
    mask = np.arange(7) < draw.integers(2, 8, (NUM_ROWS, 1))
    inputs = np.concatenate([draw.normal([3, -5], [1, 20], (NUM_ROWS, 7, 2)), np.ones((NUM_ROWS, 7, 1))], axis=2)
    return _labelled(TaskSpec("regression", "series", (7, 3), 1), (inputs * mask[:, :, None]).astype(np.float32))


def next_tokens() -> InMemory:
    """Texts whose targets are their own tokens."""
    given = texts()
    spec = replace(given.task, kind="sequence", num_outputs=0, class_names=(), next_token=True)
    return InMemory(spec, given.arrays._replace(targets=np.zeros(NUM_ROWS, np.int64)))


DATA: dict[str, InMemory] = {
    "image": digits(NUM_ROWS, own_test=True), "bytes_image": bytes_image(),
    "table": table("classification", NUM_ROWS, own_test=True),
    "regression": table("regression", NUM_ROWS, own_test=True),
    "mixed_table": mixed_table(), "text": texts(), "next_token": next_tokens(), "audio": audio(), "clips": clips(),
    "tokens": tokens(), "series": series()}


def poisoned(data: InMemory, val: np.ndarray, test: np.ndarray) -> InMemory:
    """Return the data with outliers, new categories and new words in val and test, and wild targets of a regression."""
    inputs = data.arrays.inputs[np.arange(NUM_ROWS)]
    inputs = _poisoned_ragged(data.task, inputs, val, test) if isinstance(inputs, Ragged) else _poisoned_array(
        data.task, inputs, val, test)
    targets = data.arrays.targets.copy()
    if data.task.kind == "regression":
        targets[val], targets[test] = 1e9, -1e9
    columns = tuple(column._replace(categories=(*column.categories, "new")) if column.categories else column
                    for column in data.task.columns)
    changed = data.with_arrays(inputs=inputs, targets=targets)
    return replace(changed, task=replace(data.task, columns=columns))


def _poisoned_array(spec: TaskSpec, inputs: np.ndarray, val: np.ndarray, test: np.ndarray) -> np.ndarray:
    if inputs.dtype == np.uint8:
        inputs[val], inputs[test] = 255, 0
    elif spec.layout == "tokens":
        inputs[val], inputs[test] = 11, 10
    else:
        inputs[val], inputs[test] = 1e9, -1e9
    if spec.layout == "series":
        inputs[val, :, -1] = inputs[test, :, -1] = 1
    for index, column in enumerate(spec.columns):
        if column.categories:
            inputs[val, index] = len(column.categories)
            inputs[test, index] = np.nan
    return inputs


def _poisoned_ragged(spec: TaskSpec, inputs: Ragged, val: np.ndarray, test: np.ndarray) -> Ragged:
    items = list(inputs.items())
    for rows, text, loudness in ((val, "ÿ new words ☃!", 1.0), (test, "QQQ", -1.0)):
        for row in rows:
            items[row] = (np.frombuffer(text.encode() * (1 + row % 3), np.uint8) if spec.layout == "text"
                          else np.full(spec.input_shape or 1000 + row, loudness, np.float32))
    return Ragged.of(items)


def constant(data: InMemory, value: float) -> InMemory | None:
    """Return numbers that are one value everywhere; None of data that are no plain numbers."""
    if not _is_plain(data):
        return None
    return data.with_arrays(inputs=np.full_like(data.arrays.inputs, value))


def scaled(data: InMemory, magnitude: float) -> InMemory | None:
    """Return numbers whose largest is a magnitude; None of data that are no plain numbers."""
    inputs = data.arrays.inputs
    if not _is_plain(data) or isinstance(inputs, Ragged):
        return None
    return data.with_arrays(inputs=(inputs / np.abs(inputs).max() * np.float32(magnitude)).astype(np.float32))


def _is_plain(data: InMemory) -> bool:
    inputs = data.arrays.inputs
    return data.task.layout in ("image", "table") and not data.task.columns and inputs.dtype == np.float32


def same(one: np.ndarray | Ragged, other: np.ndarray | Ragged) -> bool:
    """Compare inputs bit for bit."""
    if isinstance(one, Ragged) and isinstance(other, Ragged):
        return same(one.values, other.values) and same(one.offsets, other.offsets)
    if isinstance(one, Ragged) or isinstance(other, Ragged):
        return False
    return (one.dtype, one.shape, one.tobytes()) == (other.dtype, other.shape, other.tobytes())


def freeze(inputs: np.ndarray | Ragged) -> None:
    """Make inputs read-only."""
    for array in (inputs.values, inputs.offsets) if isinstance(inputs, Ragged) else (inputs,):
        array.setflags(write=False)


def mismatches(inputs: np.ndarray | Ragged, spec: TaskSpec) -> list[str]:
    """Say what of inputs is not as their spec says."""
    if isinstance(inputs, Ragged):
        kinds = {"text": np.uint8, "audio": np.float32}
        return [] if inputs.values.dtype == kinds.get(spec.layout) else [f"values {inputs.values.dtype}"]
    types = {"image": ("uint8", "float32"), "tokens": ("int64",)}.get(spec.layout, ("float32",))
    found = [f"type {inputs.dtype}"] if str(inputs.dtype) not in types else []
    # The engine makes inputs and targets of texts that are one token longer.
    shape = (spec.input_shape[0] + 1,) if spec.next_token else spec.input_shape
    found += [f"shape {inputs.shape}"] if inputs.shape[1:] != shape else []
    if spec.layout == "table" and spec.columns:
        found += [f"{len(spec.columns)} columns"] if len(spec.columns) != inputs.shape[1] else []
        found += [f"codes of {column.name}" for index, column in enumerate(spec.columns) if column.categories and not
                  np.isin(inputs[~np.isnan(inputs[:, index]), index], np.arange(len(column.categories))).all()]
    if spec.layout == "tokens" and not (inputs.min() >= 0 and inputs.max() < spec.vocabulary_size):
        found.append(f"tokens from {inputs.min()} to {inputs.max()}")
    if spec.layout == "series":
        found += [] if np.isin(inputs[:, :, -1], (0, 1)).all() else ["mask"]
        found += [] if (inputs[inputs[:, :, -1] == 0] == 0).all() else ["padding"]
    return found
