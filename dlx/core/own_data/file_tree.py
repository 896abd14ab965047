"""A folder or an archive of the user's as one thing: what it holds, whether it changed, its bytes."""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
import time
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import NamedTuple

from dlx.core.errors import ConfigError
from dlx.core.own_data.archive import ODD_CHARACTERS, Files, opened_archive
from dlx.core.own_data.own_file import readable

# A file that was written just before it was looked at may change again without a new time stamp.
SETTLED_SECONDS = 2.0
JUNK = {".DS_Store", "Thumbs.db", "desktop.ini", ".directory", ".gitkeep", ".gitignore", ".git", "__MACOSX",
        ".ipynb_checkpoints", "@eaDir", ".Trashes", ".Spotlight-V100", ".fseventsd", "lost+found"}


class Stamp(NamedTuple):
    """What the file system says of a folder or file without reading it.

    digest: of names, sizes, and times of the last change of content and of status, which only a system clock set back
    can forge; settled: it has not changed within the last seconds.
    """

    digest: str
    settled: bool


class Listing(NamedTuple):
    """Names of the files and folders of one folder or archive, ascending."""

    files: tuple[str, ...]
    folders: tuple[str, ...]

    @classmethod
    def of(cls, files: Files) -> Listing:
        """Take them from what was opened."""
        return cls(tuple(files.sizes), files.folders)


class _Entry(NamedTuple):
    name: str
    status: os.stat_result | None


def is_junk(name: str) -> bool:
    """Say whether a file or folder is what systems and tools leave behind, and nobody's data."""
    parts = name.split("/")
    return not JUNK.isdisjoint(parts) or any(part.startswith("._") for part in parts)


def stamp(path: Path) -> Stamp:
    """Look at a folder or file without reading it.

    Raises:
        StorageError: that is not allowed.
        ConfigError: something in it is no file or folder.
    """
    started = time.time_ns()
    entries = _entries(path)
    known = [(name, status) for name, status in entries if status is not None]
    lines = [name for name, status in entries if status is None]
    lines += [f"{name}\0{own.st_size}\0{own.st_mtime_ns}\0{own.st_ctime_ns}" for name, own in known]
    newest = max((max(own.st_mtime_ns, own.st_ctime_ns) for _, own in known), default=0)
    digest = hashlib.sha256("\0\0".join(lines).encode()).hexdigest()
    return Stamp(digest, newest < started - SETTLED_SECONDS * 1e9)


def content(path: Path) -> str:
    """Return the SHA-256 of an archive, or of the names and bytes of a folder. Raises as `stamp` does."""
    if not path.is_dir():
        return _file_digest(path)
    digest = hashlib.sha256()
    for name, status in _entries(path):
        inner = path / name
        digest.update(f"{name}\0{'' if status is None else _file_digest(inner)}\0".encode())
    return digest.hexdigest()


@contextlib.contextmanager
def opened(path: Path, spool: Path | None, suffixes: Collection[str] = ()) -> Iterator[Files]:
    """Open a folder or an archive.

    Args:
        spool: see `dlx.core.own_data.archive.opened_archive`.
        suffixes: a file with one of these is not taken for an archive but for a folder that holds it.

    Raises:
        ConfigError: it is damaged or dangerous.
        StorageError: it cannot be read.
    """
    if path.is_dir():
        yield _folder_files(path)
    elif path.suffix.lower() in suffixes:
        yield Files({path.name: _status(path).st_size}, (), lambda name: _read(path))
    else:
        with contextlib.ExitStack() as stack:
            with readable(path):
                files = stack.enter_context(opened_archive(path, spool))
            yield files._replace(sizes={name: size for name, size in files.sizes.items() if not is_junk(name)},
                                 folders=tuple(name for name in files.folders if not is_junk(name)))


def _folder_files(path: Path) -> Files:
    entries = _entries(path)
    return Files({name: status.st_size for name, status in entries if status is not None},
                 tuple(name.rstrip("/") for name, status in entries if status is None),
                 lambda name: _read(path / name))


def _status(path: Path) -> os.stat_result:
    with readable(path):
        return path.stat()


def _read(path: Path) -> bytes:
    with readable(path):
        return path.read_bytes()


def _file_digest(path: Path) -> str:
    with readable(path), open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _entries(path: Path) -> list[_Entry]:
    """List files, and folders with "/" after their names, ascending by name; of a file itself, without a name."""
    with readable(path):
        if not path.is_dir():
            return [_Entry("", _status(path))]
        found: list[_Entry] = []
        _walk(path, "", (), found)
        return sorted(found, key=lambda entry: entry.name)


def _walk(folder: Path, prefix: str, above: tuple[tuple[int, int], ...], found: list[_Entry]) -> None:
    own = folder.stat()
    if (own.st_dev, own.st_ino) in above:
        raise ConfigError(f"{folder} is a link to a folder that it lies in; remove it")
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name in JUNK or entry.name.startswith("._"):
                continue
            if ODD_CHARACTERS.search(entry.name):
                raise ConfigError(f"{str(folder / entry.name)!a} holds characters that a name of a file must not "
                                  f"have; rename it")
            name = prefix + entry.name
            if entry.is_dir():
                found.append(_Entry(f"{name}/", None))
                _walk(folder / entry.name, f"{name}/", (*above, (own.st_dev, own.st_ino)), found)
                continue
            status = entry.stat()
            if not stat.S_ISREG(status.st_mode):
                raise ConfigError(f"{folder / entry.name} is neither a plain file nor a folder; remove it")
            found.append(_Entry(name, status))
