"""Where a file or folder of the user's lies, that it is read once, and how its rows are named."""

from __future__ import annotations

import contextlib
import os
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

from dlx.core.errors import ConfigError, StorageError
from dlx.core.types import Arrays, TaskSpec
from dlx.core.wording import listed


class Place(Protocol):
    """Where rows come from.

    name: of the file, as it is shown.
    """

    @property
    def name(self) -> str:
        """Its path."""

    def rows(self, rows: Sequence[int]) -> str:
        """Name rows, counted from 0, as a person finds them in the file: "line 7", "lines 7 and 9"."""


class RowNumbers(NamedTuple):
    """Rows that have no lines: numbered from 1 or from 0."""

    name: str
    first: int = 1

    def rows(self, rows: Sequence[int]) -> str:
        """Name rows."""
        return listed("row", [row + self.first for row in rows]) + (" (from 0)" if self.first == 0 else "")


class OwnFile(ABC):
    """A dataset in a file or folder of the user's, which is read once as long as it stays as it is."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._kept: tuple[tuple[Path, int, int], Arrays] | None = None

    def spec(self) -> TaskSpec | None:
        """Say nothing: only the file tells."""
        return None

    def load(self, data_dir: str) -> Arrays:
        """Return inputs, targets, notes, and the spec that they make.

        Args:
            data_dir: a folder in which a path that is not absolute is looked for, after the current one.

        Raises:
            StorageError: there is no such file, or it may not be read.
            ConfigError: it is not what was said, or cannot be learnt from; says line, row or column.
        """
        path = find(self.path, data_dir)
        with readable(path):
            own = path.stat()
            key = (path, own.st_mtime_ns, own.st_size)
            if self._kept is None or self._kept[0] != key:
                self._kept = key, self.arrays(path, data_dir)
        return self._kept[1]

    @abstractmethod
    def arrays(self, path: Path, data_dir: str) -> Arrays:
        """Read the file. Raises as `load` does, or OSError."""


def find(path: str, data_dir: str, key: str | None = "dataset.path") -> Path:
    """Return a file or folder that was named by an absolute path, or one under the current folder or data_dir.

    Args:
        key: that names it, for messages; None for an argument of its own.

    Raises:
        StorageError: it is in none of them.
    """
    given = Path(os.path.expanduser(path))
    places = [given] if given.is_absolute() else [Path.cwd() / given, Path(data_dir).absolute() / given]
    for place in places:
        if place.exists():
            return place
    advice = "" if given.is_absolute() else ("; write a path from the current folder or an absolute one, or set "
                                             "data_dir or DLX_DATA_DIR to the folder that holds it")
    named = path if key is None else f"{key}={path}"
    raise StorageError(f"{named} is not there: looked for {' and '.join(map(str, places))}{advice}")


@contextlib.contextmanager
def found(path: str, data_dir: str) -> Iterator[Path]:
    """Find a file or folder that was named by itself, and read it in the block. Raises as `find` and `readable` do."""
    where = find(path, data_dir, None)
    with readable(where):
        yield where


@contextlib.contextmanager
def readable(path: Path) -> Iterator[None]:
    """Raise StorageError where the block cannot read a file or folder, and ConfigError where it is a folder."""
    try:
        yield
    except IsADirectoryError as error:
        raise ConfigError(f"{error.filename or path} is a folder; name a file in it") from error
    except OSError as error:
        raise StorageError(f"cannot read {error.filename or path}: {error.strerror or error}") from error
