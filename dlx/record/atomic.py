"""Files that are whole or absent: temporary name, flush, fsync, rename, fsync of the folder."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from dlx.core.errors import StorageError


@contextlib.contextmanager
def storage_errors(path: Path, hint: str = "free space, then dlx resume") -> Iterator[None]:
    """Turn an OSError of the block into a StorageError that names the path."""
    try:
        yield
    except OSError as error:
        raise StorageError(f"cannot write {path}: {error.strerror or error}; {hint}") from error


def write_bytes(path: Path, data: bytes) -> None:
    """Replace a file durably; a reader, or a crash at any instant, sees the old bytes or the new, never a mixture.

    Raises:
        StorageError: disk full, permission denied or any other refusal; the old file is intact.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with storage_errors(path):
        try:
            # Never through a link or into a file that somebody put there.
            temporary.unlink(missing_ok=True)
            with open(temporary, "xb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
            sync_folder(path.parent)
        except OSError:
            temporary.unlink(missing_ok=True)
            raise


def write_text(path: Path, text: str) -> None:
    """Replace a UTF-8 text file durably, see `write_bytes`."""
    write_bytes(path, text.encode())


def write_json(path: Path, value: Any) -> None:
    """Replace a JSON file durably, keys in the order given; NaN and infinity are refused."""
    write_text(path, json.dumps(value, indent=1, allow_nan=False, ensure_ascii=False) + "\n")


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
