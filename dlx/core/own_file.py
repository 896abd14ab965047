"""Where a file or folder of the user's lies, and how its rows are named."""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

from dlx.core.errors import StorageError
from dlx.core.types import Arrays

SHOWN = 5


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


class Kept:
    """What was read of files, as long as they stay as they are."""

    def __init__(self) -> None:
        self._arrays: dict[tuple[tuple[str, int, int], ...], Arrays] = {}

    def arrays(self, paths: Sequence[Path], read: Callable[[], Arrays]) -> Arrays:
        """Return the arrays of files, read the first time."""
        facts = [path.stat() for path in paths]
        key = tuple((str(path), own.st_mtime_ns, own.st_size) for path, own in zip(paths, facts, strict=True))
        if key not in self._arrays:
            self._arrays = {key: read()}
        return self._arrays[key]


def find(path: str, data_dir: str, key: str = "dataset.path") -> Path:
    """Return a file or folder that was named by an absolute path, or one under the current folder or data_dir.

    Args:
        key: that names it, for messages; empty where it was named by itself.

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
    named = f"{key}={path}" if key else path
    raise StorageError(f"{named} is not there: looked for {' and '.join(map(str, places))}{advice}")


def listed(word: str, numbers: Sequence[int]) -> str:
    """Write numbers of rows or lines, the first few of many: "line 3", "rows 3, 4 and 5"."""
    shown = [str(number) for number in numbers[:SHOWN]]
    if len(numbers) > SHOWN:
        return f"{word}s {', '.join(shown)} and {len(numbers) - SHOWN} more"
    return f"{word} {shown[0]}" if len(shown) == 1 else f"{word}s {', '.join(shown[:-1])} and {shown[-1]}"


def near(name: str, known: Iterable[str]) -> str:
    """Return "; did you mean a?" with the name most like one that is not known, or nothing."""
    lower = {item.lower(): item for item in known}
    close = difflib.get_close_matches(name.lower(), lower, 1, 0.6)
    return f"; did you mean {lower[close[0]]}?" if close else ""
