"""What of an input has statistics of its own: a column of a table, a channel of an image or of a series.

N rows, C channels, D columns or channels of a series, the mask its last, L positions.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dlx.core.errors import ConfigError
from dlx.core.pixels import as_floats
from dlx.core.types import Layout, TaskSpec

PLURALS: dict[Layout, str] = {"image": "images", "table": "tables", "tokens": "tokens", "series": "series",
                              "text": "texts", "audio": "audio"}
NUMBERS: tuple[Layout, ...] = ("image", "table", "series")


def require_layout(part: str, spec: TaskSpec, *layouts: Layout) -> None:
    """Raise ConfigError where a preprocessing is for other layouts."""
    if spec.layout not in layouts:
        *others, last = (PLURALS[layout] for layout in layouts)
        known = f"{', '.join(others)} and {last}" if others else last
        raise ConfigError(f"preprocessing={part} is for {known}, not for {PLURALS[spec.layout]}: leave it out, or put "
                          f"it {_place(spec.layout, last)}")


def _place(given: Layout, wanted: str) -> str:
    # Nothing makes texts or audio, and what was made of them is something else.
    return f"before the preprocessing that makes {PLURALS[given]}" if wanted in ("texts", "audio") else (
        f"after a preprocessing that makes {wanted}")


def require_numbers(part: str, spec: TaskSpec, *layouts: Layout) -> None:
    """Raise ConfigError where inputs are not numbers throughout, since a category's code is none.

    Args:
        layouts: that the preprocessing is for; where none is named, for all of numbers.
    """
    require_layout(part, spec, *(layouts or NUMBERS))
    if (columns := category_columns(spec)).size:
        raise ConfigError(f"preprocessing={part} is for numbers and column {spec.columns[columns[0]].name} holds "
                          f"categories: put one_hot or ordinal before {part}")


def category_columns(spec: TaskSpec) -> np.ndarray:
    """Return the indices of a table's columns with categories."""
    return np.array([index for index, column in enumerate(spec.columns) if column.categories], np.int64)


def number_columns(spec: TaskSpec) -> np.ndarray:
    """Return the indices of a table's columns with numbers."""
    return np.setdiff1d(np.arange(spec.input_shape[0]), category_columns(spec))


def column_name(spec: TaskSpec, index: int) -> str:
    """Name a column of a table, by its number from 0 where it has no name."""
    return spec.columns[index].name if spec.columns else str(index)


def axes(spec: TaskSpec) -> tuple[int, ...]:
    """Return the axes of inputs [N, ...] over which a feature's statistics are taken."""
    return {"image": (0, 2, 3), "series": (0, 1)}.get(spec.layout, (0,))


def values_of(inputs: np.ndarray, spec: TaskSpec) -> np.ndarray:
    """Copy inputs to float64 in C order, NaN after the end of a series."""
    values: np.ndarray = as_floats(inputs).astype(np.float64, order="C")
    if spec.layout == "series":
        values[inputs[..., -1] == 0] = np.nan
    return values


def feature_quantiles(inputs: np.ndarray, spec: TaskSpec, levels: Sequence[float]) -> np.ndarray:
    """Return quantiles of inputs [N, ...] per feature, missing values left out: [levels, one input's reduced shape].

    Linear between the two nearest values; NaN where a feature has none.
    """
    features = np.moveaxis(inputs, 1, 0) if spec.layout == "image" else np.moveaxis(inputs, -1, 0)
    present = inputs[..., -1] != 0 if spec.layout == "series" else slice(None)
    found = []
    for feature in features:
        values = as_floats(feature[present]).astype(np.float64).ravel()
        values = values[~np.isnan(values)]
        with np.errstate(invalid="ignore"):
            found.append(np.quantile(values, levels) if len(values) else np.full(len(levels), np.nan))
    shape = {"image": (-1, 1, 1), "series": (1, -1)}.get(spec.layout, (-1,))
    return np.stack([np.reshape(level, shape) for level in np.transpose(found)])


def require_present(part: str, inputs: np.ndarray, spec: TaskSpec) -> None:
    """Raise ConfigError where inputs [N, ...] of train have missing values."""
    if inputs.dtype == np.uint8 or not np.isnan(inputs.min()):
        return
    if spec.layout != "table":
        raise ConfigError(f"preprocessing={part} takes no missing values, and train has some: correct the data")
    column = column_name(spec, int(np.isnan(inputs).any(axis=0).argmax()))
    raise ConfigError(f"preprocessing={part} takes no missing values and column {column} has some in train: put impute "
                      f"before {part}")


def flat(inputs: np.ndarray) -> np.ndarray:
    """Return inputs [N, ...] as [N, D]."""
    return inputs.reshape(len(inputs), -1)


def require_width(inputs: np.ndarray, width: np.ndarray) -> None:
    """Raise ValueError where inputs [N, D] have not the columns that statistics were fitted to, [1]."""
    if inputs.shape[1:] != tuple(width.tolist()):
        raise ValueError(f"they are of {width.tolist()} columns, and the data has {list(inputs.shape[1:])}")


def scaling(part: str, spec: TaskSpec, shift: np.ndarray, scale: np.ndarray, *, shift_name: str
            ) -> dict[str, np.ndarray]:
    """Return the statistics of (x - shift) / scale; a series' mask is left as it is.

    Raises:
        ConfigError: a feature without a value in train, or with infinite ones.
    """
    for index in np.flatnonzero(~np.isfinite(shift.ravel()) | ~np.isfinite(scale.ravel())).tolist():
        feature = (f"column {column_name(spec, index)}" if spec.layout == "table" else f"channel {index}")
        raise ConfigError(f"preprocessing={part} needs finite numbers, and {feature} has none in train, or an infinite "
                          f"one: leave it out of the data")
    if spec.layout == "series":
        shift[..., -1], scale[..., -1] = 0.0, 1.0
    return {shift_name: shift, "scale": scale}


def rescaled(inputs: np.ndarray, shift: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """Return (inputs - shift) / scale [N, ...] in float32, computed in float64; NaN stays NaN, padding 0."""
    values = np.subtract(as_floats(inputs), shift, dtype=np.float64)
    np.divide(values, scale, out=values)
    if values.ndim == 3:
        values *= inputs[..., -1:]
    return np.asarray(values, np.float32)
