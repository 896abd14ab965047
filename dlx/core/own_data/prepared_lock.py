"""Locks of prepared copies. The kernel gives a lock back when its process ends, however it ends."""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
from collections.abc import Iterator
from pathlib import Path

SUFFIX = ".lock"
log = logging.getLogger("dlx.prepared")


@contextlib.contextmanager
def locked(target: Path, doing: str) -> Iterator[None]:
    """Hold the lock of a copy; wait, and say so, while another process holds it.

    Args:
        target: the folder of the copy, there or not.
        doing: what the other process is doing, after "another process is at work to".

    Raises:
        OSError: the file system has no locks, or cannot be written.
    """
    path = _lock_file(target)
    descriptor = _acquired(path, wait=False)
    if descriptor is None:
        log.warning("another process is at work to %s; waiting for it", doing)
        descriptor = _acquired(path, wait=True)
    assert descriptor is not None
    try:
        yield
    finally:
        _give_back(path, descriptor)


@contextlib.contextmanager
def unused(target: Path) -> Iterator[bool]:
    """Hold the lock of a copy if no other process holds it; yield whether that is so."""
    path = _lock_file(target)
    descriptor = _acquired(path, wait=False)
    try:
        yield descriptor is not None
    finally:
        if descriptor is not None:
            _give_back(path, descriptor)


def _lock_file(target: Path) -> Path:
    return target.with_name(f".{target.name}{SUFFIX}")


def _acquired(path: Path, wait: bool) -> int | None:
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            # Whoever held it may have removed the file in the meantime: then this is the lock of nothing.
            if os.fstat(descriptor).st_nlink > 0:
                return descriptor
        except BlockingIOError:
            os.close(descriptor)
            return None
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _give_back(path: Path, descriptor: int) -> None:
    path.unlink(missing_ok=True)
    os.close(descriptor)
