"""Arrays larger than memory, written to .npy files row after row."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Self

import numpy as np


class ArrayFile:
    """A new .npy file that grows.

    Args:
        path: where no file is yet.
        dtype: of the array.
        row_shape: shape of one row.
    """

    def __init__(self, path: Path, dtype: np.dtype | type, row_shape: tuple[int, ...] = ()) -> None:
        self.dtype = np.dtype(dtype)
        self.row_shape = row_shape
        self.num_rows = 0
        self._file = open(path, "xb")  # noqa: SIM115
        self._write_header()
        self._header_bytes = self._file.tell()

    def _write_header(self) -> None:
        # numpy leaves room in the header for the number of rows to grow.
        np.lib.format.write_array_header_1_0(self._file, {
            "descr": self.dtype.str, "fortran_order": False, "shape": (self.num_rows, *self.row_shape)})

    def append(self, rows: np.ndarray) -> None:
        """Write rows [n, *row_shape]."""
        assert rows.dtype == self.dtype, rows.dtype
        assert rows.shape[1:] == self.row_shape, rows.shape
        self._file.write(np.ascontiguousarray(rows).data)
        self.num_rows += len(rows)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        with self._file:
            if error[0] is None:
                self._file.seek(0)
                self._write_header()
                assert self._file.tell() == self._header_bytes
                self._file.flush()
                os.fsync(self._file.fileno())
