"""Downloads that are whole or absent, however many processes want them and whatever ends one of them."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

CONNECT_SECONDS = 20
ARCHIVES = (".gz", ".tgz", ".zip")


def fetch(root: Path, name: str, present: Callable[[], bool], download: Callable[[Path], None]) -> None:
    """Have files downloaded into a folder beside, and move each into place when all are whole.

    A process that finds another at it waits, and takes what the other fetched. What an ended one left is removed.

    Args:
        root: where the files belong; made where it is absent.
        name: of the data, to tell one lock from another.
        present: says whether the files are there.
        download: writes the files below the folder that it is given, where they belong below root; archives that it
            leaves are not kept.

    Raises:
        OSError: the network or the disk said no.
    """
    root.mkdir(parents=True, exist_ok=True)
    unfinished = root / f".{name}.part"
    with open(root / f".{name}.lock", "a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if present():
            return
        shutil.rmtree(unfinished, ignore_errors=True)
        try:
            unfinished.mkdir()
            with _connecting(CONNECT_SECONDS):
                download(unfinished)
            _move(unfinished, root)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)


@contextlib.contextmanager
def _connecting(seconds: float) -> Iterator[None]:
    timeout = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(timeout)


def _move(source: Path, target: Path) -> None:
    files = [path for path in sorted(source.rglob("*")) if path.is_file() and path.suffix not in ARCHIVES]
    for path in files:
        with open(path, "rb") as file:
            os.fsync(file.fileno())
    for path in files:
        place = target / path.relative_to(source)
        place.parent.mkdir(parents=True, exist_ok=True)
        os.replace(path, place)
