"""Columns of notes, as splits read them: what is known of each row and is no input."""

from __future__ import annotations

import numpy as np

from dlx.core.errors import ConfigError
from dlx.core.types import Rows
from dlx.core.wording import near


def note(rows: Rows, key: str, column: str) -> np.ndarray:
    """Return a column of notes [N], in which every row has a value.

    Args:
        key: that names the column, `split.column`, for messages.

    Raises:
        ConfigError: there is no such column, or a row has no value in it.
    """
    if column not in rows.notes:
        raise ConfigError(f"{key}={column}: {_known(rows, column)}")
    values = np.asarray(rows.notes[column])
    empty = np.flatnonzero(missing(values))
    if len(empty):
        raise ConfigError(f"{key}={column}: {len(empty)} of {len(values)} rows have no value there, row {empty[0]} "
                          f"(from 0) for one; fill it in, or leave these rows out of the data")
    # Text and other objects compare as text; what numpy can order stays as it is.
    return values if values.dtype.kind in "biufM" else values.astype(str)


def _known(rows: Rows, column: str) -> str:
    if not rows.notes:
        return ("the dataset has no columns beside its inputs and target; of a table of your own, name those to split "
                "by: dataset=csv dataset.notes=[patient]")
    return f"no such column to split by; there are {', '.join(rows.notes)}{near(column, rows.notes)}"


def missing(values: np.ndarray) -> np.ndarray:
    """Say of each value [N] whether it is none: NaN, NaT, None or an empty text."""
    if values.dtype.kind == "f":
        return np.asarray(np.isnan(values))
    if values.dtype.kind == "M":
        return np.asarray(np.isnat(values))
    if values.dtype.kind in "OU":
        # What is not equal to itself is NaN.
        return np.array([value is None or value == "" or value != value for value in values.tolist()], bool)
    return np.zeros(len(values), bool)


def times(rows: Rows, key: str, column: str) -> np.ndarray:
    """Return a column as numbers or dates [N] that can be put in order.

    Raises:
        ConfigError: see `note`; text that is neither all numbers nor all dates of ISO 8601.
    """
    values = note(rows, key, column)
    if values.dtype.kind != "U":
        return values
    try:
        return values.astype(np.float64)
    except ValueError:
        return _dates(key, column, values)


def _dates(key: str, column: str, values: np.ndarray) -> np.ndarray:
    import pandas as pd

    read = pd.to_datetime(pd.Series(values), format="ISO8601", utc=True, errors="coerce")
    wrong = np.flatnonzero(read.isna())
    if len(wrong):
        raise ConfigError(f"{key}={column} must hold numbers, or dates such as 2026-01-31 or 2026-01-31T12:00, to be "
                          f"put in order; row {wrong[0]} (from 0) holds {str(values[wrong[0]])!r}")
    return read.dt.tz_localize(None).to_numpy()
