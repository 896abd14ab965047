"""The run folder: created exclusively, locked while in use, always readable."""

from __future__ import annotations

import fcntl
import os
import re
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, Self, get_args

import yaml

from dlx.core.errors import ArtefactError, ConfigError
from dlx.record import atomic, layout
from dlx.record.safe_yaml import read_json

Status = Literal["created", "running", "done", "failed", "diverged", "oom", "interrupted"]
STATUSES: tuple[Status, ...] = get_args(Status)
FINAL: tuple[Status, ...] = ("done", "diverged")
_Dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")


class RunFolder:
    """One run's folder. Use as a context manager: it holds the folder's lock for the block.

    Args:
        path: an existing folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock: int | None = None

    @classmethod
    def create(cls, runs_dir: Path, name: str, config_hash: str) -> Self:
        """Make a new folder `<UTC date-time>-<name>-<hash>`; two starts in one second never share one.

        Raises:
            StorageError: the folder cannot be made.
        """
        stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
        base = f"{stamp}-{name}-{config_hash}"
        with atomic.storage_errors(runs_dir, "free space or choose another runs_dir"):
            runs_dir.mkdir(parents=True, exist_ok=True)
            for attempt in range(10_000):
                path = runs_dir / (base if attempt == 0 else f"{base}-{attempt + 1}")
                try:
                    path.mkdir()
                except FileExistsError:
                    continue
                return cls(path)
        raise AssertionError("10,000 runs of one configuration started in one second")

    @classmethod
    def at(cls, path: Path) -> Self:
        """Make or adopt the folder with this exact path, as a sweep does for its runs."""
        with atomic.storage_errors(path):
            path.mkdir(parents=True, exist_ok=True)
        return cls(path)

    def __enter__(self) -> Self:
        descriptor = self._open_lock()
        if not _take(descriptor):
            holder = os.pread(descriptor, 32, 0).decode(errors="replace").strip() or "unknown"
            os.close(descriptor)
            raise ConfigError(f"{self.path} is in use by process {holder}; wait for it or stop it first")
        with atomic.storage_errors(self.path):
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        self._lock = descriptor
        return self

    def __exit__(self, *_: object) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def is_locked(self) -> bool:
        """Say whether a living process works on this run; the kernel frees the lock of a killed one."""
        if not (self.path / layout.LOCK).exists():
            return False
        descriptor = os.open(self.path / layout.LOCK, os.O_RDONLY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(descriptor)
        return False

    def describe(self, config: Mapping[str, Any], overrides: Sequence[str], provenance: Mapping[str, Any]) -> None:
        """Write what the run is, before it starts."""
        with atomic.storage_errors(self.path):
            (self.path / layout.CHECKPOINTS).mkdir(exist_ok=True)
        typed = "".join(f"{line}\n" for line in overrides)
        atomic.write_bytes(self.path / layout.OVERRIDES, typed.encode(errors="surrogateescape"), "file")
        atomic.write_json(self.path / layout.PROVENANCE, provenance, "file")
        self.set_status("created")
        # Last, because a folder is a run from the moment that its configuration stands.
        text = yaml.dump(dict(config), Dumper=_Dumper, sort_keys=False, allow_unicode=True)
        atomic.write_text(self.path / layout.CONFIG, text)

    def set_status(self, status: Status, **facts: Any) -> None:
        """Replace status.json. Facts are plain values, such as epoch, step, reason."""
        facts = {"status": status, **facts, "pid": os.getpid(), "time": time.time()}
        # An older status that comes back after a loss of power is put right by resuming, as after a kill.
        atomic.write_json(self.path / layout.STATUS, facts, "file")

    def status(self) -> dict[str, Any]:
        """Read status.json; a run whose process died without a word reads as interrupted."""
        facts = read_json(self.path / layout.STATUS)
        if facts.get("status") not in STATUSES:
            raise ArtefactError(f"{self.path / layout.STATUS} refused: its status must be one of {', '.join(STATUSES)}")
        if facts.get("status") in ("created", "running") and not self.is_locked():
            facts = {**facts, "status": "interrupted", "reason": "the process was killed"}
        return facts

    @property
    def checkpoints(self) -> Path:
        """The folder of checkpoints."""
        return self.path / layout.CHECKPOINTS

    def _open_lock(self) -> int:
        with atomic.storage_errors(self.path):
            return os.open(self.path / layout.LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o644)


def _take(descriptor: int) -> bool:
    # Tried for half a second: who only looks holds the lock for a moment, and who has taken it is about to say so.
    for _ in range(10):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(0.05)
        else:
            return True
    return False


def run_folders(runs_dir: Path) -> list[Path]:
    """List the run folders directly inside a folder, oldest first."""
    if not runs_dir.is_dir():
        return []
    return sorted(path for path in runs_dir.iterdir() if path.is_dir() and _is_run(path))


def _is_run(path: Path) -> bool:
    try:
        return (path / layout.CONFIG).is_file()
    except PermissionError:
        return True
