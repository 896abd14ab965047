"""What a piece of code asks of the disk, in order."""

from __future__ import annotations

import contextlib
import os
import stat
from pathlib import Path


@contextlib.contextmanager
def disk_events(monkeypatch):
    """Yield a list that fills with (kind, name): content synced, name changed, or folder synced."""
    events, fsync, replace = [], os.fsync, os.replace

    def spy_fsync(descriptor):
        path = Path(os.readlink(f"/proc/self/fd/{descriptor}"))
        folder = stat.S_ISDIR(os.fstat(descriptor).st_mode)
        events.append(("folder" if folder else "content", path.name))
        fsync(descriptor)

    def spy_replace(source, target):
        events.append(("name", Path(target).name))
        replace(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", spy_fsync)
        patch.setattr(os, "replace", spy_replace)
        yield events
