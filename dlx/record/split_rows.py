"""split.npz: which rows of the dataset a run trained on, validated with and tested on."""

from __future__ import annotations

import io
import os
import stat
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

import numpy as np

from dlx.core.errors import ArtefactError
from dlx.record import atomic

# Of more rows than memory holds.
MAX_BYTES = 2**34
NAMES = ("train", "val", "test")


def write_split(path: Path, rows: Mapping[str, np.ndarray]) -> None:
    """Write the row numbers of each split, int64 [N]: the same rows give the same bytes.

    Raises:
        StorageError: the file system refused.
    """
    # Not compressed, so that a reader knows from the file's size how much it holds; numpy writes no time into it.
    content = io.BytesIO()
    np.savez(content, **{name: np.asarray(rows[name], np.int64) for name in NAMES})  # type: ignore[arg-type]
    atomic.write_bytes(path, content.getvalue(), "file")


def read_split(path: Path) -> dict[str, np.ndarray]:
    """Read the row numbers of each split. Raises ArtefactError where the file is not what `write_split` wrote."""
    try:
        with _opened(path) as file, zipfile.ZipFile(file) as archive:
            entries = archive.infolist()
            if sorted(entry.filename for entry in entries) != sorted(f"{name}.npy" for name in NAMES):
                raise ValueError(f"it must hold {', '.join(NAMES)}")
            if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
                raise ValueError("it must not be compressed")
            file.seek(0)
            with np.load(file, allow_pickle=False) as arrays:
                rows = {name: arrays[name] for name in NAMES}
    except (OSError, ValueError, EOFError, KeyError, MemoryError, RuntimeError, zipfile.BadZipFile) as error:
        # RuntimeError is zipfile's for what it cannot do: an encrypted file, or one of a later version.
        raise ArtefactError(f"{path} is refused: {error}") from error
    if any(own.dtype != np.int64 or own.ndim != 1 for own in rows.values()):
        raise ArtefactError(f"{path} is refused: row numbers must be int64 [N]")
    return rows


def _opened(path: Path) -> BinaryIO:
    # Not to wait for a pipe, nor to read a device without end.
    file = os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb")
    facts = os.fstat(file.fileno())
    if not stat.S_ISREG(facts.st_mode) or facts.st_size > MAX_BYTES:
        file.close()
        raise ValueError("it must be a file, of 8 bytes a row")
    return file


def refuse_other_split(path: Path, rows: Mapping[str, np.ndarray]) -> None:
    """Compare rows with those in the file.

    Raises:
        ArtefactError: they differ, or the file is damaged.
    """
    for name, saved in read_split(path).items():
        now = np.asarray(rows[name])
        if not np.array_equal(saved, now):
            raise ArtefactError(
                f"{path} holds other rows than the data is divided into now: {name} has {len(saved)} rows there and "
                f"{len(now)} now, {len(np.intersect1d(saved, now))} of them the same; use the data, the columns to "
                f"split by and the versions that the run was trained with (provenance.json)")
