"""Files that are whole or absent: temporary name, flush, fsync, rename, fsync of the folder.

An fsync takes milliseconds on a disk. Of several files of one folder the last alone need sync the folder: file systems
with a journal keep the order in which names changed.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from dlx.core.durable import sync_folder
from dlx.core.errors import StorageError

# How much of a replaced file outlasts a loss of power from now on: content and name; the content, so that whichever
# version of the file is found is whole; or nothing yet, of a file that is made again where it was lost.
Sync = Literal["folder", "file", "none"]

# What helps where space does not.
REMEDIES = {**dict.fromkeys((errno.EACCES, errno.EPERM, errno.EROFS), "make it writable"),
            **dict.fromkeys((errno.EEXIST, errno.ENOTDIR, errno.EISDIR), "move away what is there")}


@contextlib.contextmanager
def storage_errors(path: Path, hint: str | None = None) -> Iterator[None]:
    """Turn an OSError of the block into a StorageError that names the path, and says what to do: the hint, if given."""
    try:
        yield
    except OSError as error:
        advice = hint or f"{REMEDIES.get(error.errno or 0, 'free space')}, then dlx resume"
        raise StorageError(f"cannot write {path}: {error.strerror or error}; {advice}") from error


def write_bytes(path: Path, data: bytes, sync: Sync = "folder") -> None:
    """Replace a file; a reader, or a crash at any instant, sees the old bytes or the new, never a mixture.

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
                if sync != "none":
                    os.fsync(file.fileno())
            os.replace(temporary, path)
            if sync == "folder":
                sync_folder(path.parent)
        except OSError:
            temporary.unlink(missing_ok=True)
            raise


def write_text(path: Path, text: str, sync: Sync = "folder") -> None:
    """Replace a UTF-8 text file, see `write_bytes`."""
    write_bytes(path, text.encode(), sync)


def write_json(path: Path, value: Any, sync: Sync = "folder") -> None:
    """Replace a JSON file, keys in the order given; NaN and infinity are refused. See `write_bytes`."""
    write_text(path, json.dumps(value, indent=1, allow_nan=False, ensure_ascii=False) + "\n", sync)
