"""Arrays of the user's as the layouts that models take. N rows, C channels, H × W pixels, L positions, D features."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np

from dlx.core.errors import ConfigError
from dlx.core.types import Layout

# Bytes that are checked at a time, of arrays that may be larger than memory.
BLOCK_BYTES = 2**24
CHANNELS = (1, 3, 4)
EXAMPLES = {2: "table or tokens", 3: "image or series", 4: "image"}


class Named(NamedTuple):
    """An array and what it is called in messages."""

    name: str
    array: np.ndarray

    def whole(self) -> np.ndarray:
        """Return it as int64. Raises ConfigError where it does not hold whole numbers."""
        if self.array.dtype.kind not in "biu":
            raise ConfigError(f"{self.name} must hold whole numbers, got {self.array.dtype}")
        return self.array.astype(np.int64)


class Axes(NamedTuple):
    """What was said of the axes of inputs."""

    layout: Literal["auto", "table", "image", "series", "tokens"]
    channels: Literal["auto", "first", "last"]


def as_layout(inputs: Named, axes: Axes) -> tuple[Layout, np.ndarray]:
    """Return the layout of inputs, and them in its form; a np.memmap of bytes or floats stays one.

    Raises:
        ConfigError: another number of axes, numbers that are not finite; says which row.
    """
    array = inputs.array
    layout = told(inputs) if axes.layout == "auto" else axes.layout
    wanted = {"table": (2,), "tokens": (2,), "series": (2, 3), "image": (3, 4)}[layout]
    if array.ndim not in wanted:
        raise ConfigError(f"{inputs.name} has shape {array.shape}; layout {layout} needs "
                          f"{' or '.join(map(str, wanted))} axes, the first of rows")
    if 0 in array.shape:
        raise ConfigError(f"{inputs.name} has shape {array.shape}: there is nothing in it")
    if array.dtype.kind not in "biuf":
        raise ConfigError(f"{inputs.name} must hold numbers, got {array.dtype}")
    refuse_not_finite(inputs, missing_allowed=layout == "table")
    if layout == "image":
        return layout, _images(inputs, axes.channels)
    if layout == "tokens":
        return layout, _tokens(inputs)
    return layout, _series(array) if layout == "series" else _floats(array, np.float64)


def told(inputs: Named) -> Layout:
    """Tell the layout by the number of axes and, of 3, by the type."""
    array = inputs.array
    if array.ndim == 2:
        return "table"
    if array.ndim == 4 or (array.ndim == 3 and array.dtype == np.uint8):
        return "image"
    possible = EXAMPLES.get(array.ndim)
    advice = f"say which: dataset.layout={possible}" if possible else "rows of 1, 2 or 3 axes are possible"
    raise ConfigError(f"{inputs.name} has shape {array.shape} of {array.dtype}, which tells no layout; {advice}")


def refuse_not_finite(inputs: Named, missing_allowed: bool) -> None:
    """Raise ConfigError where a value is infinite, or NaN where none may be missing; says the first row."""
    array = inputs.array
    if array.dtype.kind != "f":
        return
    rows = max(1, BLOCK_BYTES // max(1, array[0].nbytes))
    for low in range(0, len(array), rows):
        block = np.asarray(array[low : low + rows])
        wrong = np.isinf(block) if missing_allowed else ~np.isfinite(block)
        if wrong.any():
            place = np.argwhere(wrong)[0]
            value = "infinite" if np.isinf(block[tuple(place)]) else "NaN"
            where = ", ".join(str(int(number)) for number in place[1:])
            raise ConfigError(f"{inputs.name} is {value} in row {low + place[0]}, at [{where}] (both from 0); write a "
                              f"number, or leave the row out")


def _images(inputs: Named, channels: str) -> np.ndarray:
    array = inputs.array
    if array.ndim == 3:
        array = array[:, None]
    elif channels == "last" or (channels == "auto" and array.shape[-1] in CHANNELS and array.shape[1] not in CHANNELS):
        array = np.moveaxis(array, -1, 1)
    if array.dtype.kind == "f" or array.dtype == np.uint8:
        return _floats(array, np.float32) if array.dtype != np.uint8 else array
    if array.dtype == bool:
        return array.astype(np.float32)
    low, high = int(array.min()), int(array.max())
    if low < 0 or high > 255:
        raise ConfigError(f"{inputs.name} has pixels from {low} to {high}; whole numbers must be in [0, 255], or "
                          f"divide them to floats")
    return array.astype(np.uint8)


def _tokens(inputs: Named) -> np.ndarray:
    array = inputs.whole()
    wrong = np.argwhere(array < 0)
    if len(wrong):
        raise ConfigError(f"{inputs.name} has a negative token in row {wrong[0][0]} (from 0); tokens are 1, 2 …, and 0 "
                          f"after the end")
    before = np.flatnonzero(((array[:, :-1] == 0) & (array[:, 1:] != 0)).any(axis=1))
    if len(before):
        raise ConfigError(f"{inputs.name} has token 0 before the end of row {before[0]} (from 0); 0 fills a row after "
                          f"its end: add 1 to every token")
    return array


def _series(array: np.ndarray) -> np.ndarray:
    values = (array[..., None] if array.ndim == 2 else array).astype(np.float32)
    return np.concatenate([values, np.ones((*values.shape[:2], 1), np.float32)], axis=2)


def _floats(array: np.ndarray, otherwise: type[np.floating]) -> np.ndarray:
    # Halves are too coarse for statistics; longer floats and foreign byte orders torch does not know.
    return array if array.dtype in (np.float32, np.float64) else array.astype(otherwise)
