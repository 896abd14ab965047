"""metrics.csv, timing.csv and layers.csv: rows per epoch, whole rows only, deterministic bytes."""

from __future__ import annotations

import csv
import errno
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

from dlx.core.errors import ArtefactError
from dlx.record import atomic
from dlx.record.safe_yaml import read_text

MAX_BYTES = 2**28

Row = Mapping[str, float | int | str | None]


def format_value(value: float | int | str | None) -> str:
    """Format a cell: integers as they are, floats with 9 significant digits, None as nothing."""
    if value is None:
        return ""
    return f"{value:.9g}" if isinstance(value, float) else str(value)


def format_row(row: Row) -> str:
    """Format one line, newline included; cells never need quoting."""
    return ",".join(map(format_value, row.values())) + "\n"


class EpochTable:
    """A CSV file that grows by the rows of one epoch at a time. Use as a context manager.

    Args:
        path: the file. It is replaced by the given rows, so that resuming starts from a checkpoint's history.
        rows: rows so far; all rows have the same columns, in the same order.
    """

    def __init__(self, path: Path, rows: Sequence[Row] = ()) -> None:
        self.path = path
        text = ",".join(rows[0]) + "\n" + "".join(map(format_row, rows)) if rows else ""
        # Resuming makes it again; `sync` makes it last.
        atomic.write_text(path, text, "none")
        self._size = len(text.encode())
        self._descriptor: int | None = None

    def __enter__(self) -> Self:
        with atomic.storage_errors(self.path):
            self._descriptor = os.open(self.path, os.O_RDWR)
        return self

    def __exit__(self, *_: object) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def sync(self) -> None:
        """Make the rows durable."""
        if self._descriptor is not None:
            with atomic.storage_errors(self.path):
                os.fsync(self._descriptor)

    def append(self, *rows: Row) -> None:
        """Add rows, all or none; on a full disk the file is cut back to whole rows.

        Raises:
            StorageError: they could not be written.
        """
        assert self._descriptor is not None, "append needs the with block"
        header = ",".join(rows[0]) + "\n" if self._size == 0 else ""
        data = (header + "".join(map(format_row, rows))).encode()
        with atomic.storage_errors(self.path):
            try:
                if os.pwrite(self._descriptor, data, self._size) != len(data):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            except OSError:
                os.ftruncate(self._descriptor, self._size)
                raise
        self._size += len(data)


def read_rows(path: Path) -> list[dict[str, float | None]]:
    """Read a table of numbers written by `EpochTable`; empty cells are None.

    A missing file has no rows, and a last line without its end, which is being written, is none.

    Raises:
        ArtefactError: not a table of finite numbers.
    """
    if not path.is_file():
        return []
    whole, _, _ = read_text(path, MAX_BYTES).rpartition("\n")
    try:
        rows = list(csv.DictReader(whole.splitlines()))
        return [{name: _number(cell) for name, cell in row.items()} for row in rows]
    except (csv.Error, ValueError, TypeError) as error:
        raise ArtefactError(f"{path} refused: {error}") from error


def _number(cell: str) -> float | None:
    value = float(cell) if cell else None
    if value is not None and not math.isfinite(value):
        raise ValueError(f"{cell} is not a finite number")
    return value
