"""A dlx sweep as a process of its own, its descendants, and what it leaves."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from user_parts import CONFIG_DIR, write_user_parts

from dlx.record import layout

SECONDS = 90.0
# Naps let a run take two seconds without changing its numbers.
GRID = [CONFIG_DIR, "model=net", "model.nap=0.02", "seed=range(6)", "epochs=5", "metric=[accuracy]",
        "checkpoint_seconds=0.2", "--json"]


def write_grid(cwd: Path) -> None:
    """Prepare a folder for a sweep over GRID."""
    write_user_parts(cwd)
    (cwd / "misbehave").touch()


@contextlib.contextmanager
def sweep_process(cwd: Path, *arguments: str, **environment: str) -> Iterator[subprocess.Popen[str]]:
    """Start a sweep; it and its descendants are gone after the block."""
    process = subprocess.Popen([sys.executable, "-m", "dlx", "sweep", *arguments], cwd=cwd, text=True,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**os.environ, **environment})
    with process:
        try:
            yield process
        finally:
            for pid in descendants(process.pid):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            process.kill()


def ended_well(process: subprocess.Popen[str]) -> None:
    """Wait for the end of a sweep that must succeed."""
    out, err = process.communicate(timeout=SECONDS)
    assert process.returncode == 0, (out, err)


def find_sweep(cwd: Path) -> Path:
    """Return the one sweep folder."""
    found, = cwd.glob(f"runs/*/{layout.SWEEP}")
    return found.parent


def tables(sweep: Path) -> list[bytes]:
    """Read both tables."""
    return [(sweep / name).read_bytes() for name in (layout.RUNS_TABLE, layout.LEADERBOARD)]


def wait_until(process: subprocess.Popen[str], there: Callable[[], bool]) -> None:
    """Wait until something is there while a sweep runs."""
    deadline = time.monotonic() + SECONDS
    while not there():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)


def training(cwd: Path) -> list[Path]:
    """List the runs in training that wrote a checkpoint."""
    return [path for path in cwd.glob(f"runs/*/{layout.RUNS}/*")
            if list(path.glob(f"{layout.CHECKPOINTS}/step-*")) and not (path / layout.SUMMARY).exists()]


def descendants(pid: int) -> dict[int, str]:
    """Return the living processes below a process with their command lines."""
    parents = {}
    for path in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            state, parent = (path / "stat").read_text().rpartition(")")[2].split()[:2]
            if state != "Z":
                parents[int(path.name)] = int(parent)
    found: dict[int, str] = {}
    wanted = {pid}
    while wanted:
        wanted = {child for child, parent in parents.items() if parent in wanted}
        for child in wanted:
            with contextlib.suppress(OSError):
                found[child] = Path(f"/proc/{child}/cmdline").read_text().replace("\0", " ").strip()
    return found


def listening(pids: list[int]) -> list[tuple[int, str, int]]:
    """Return (pid, address as the kernel writes it, port) of the TCP sockets on which processes listen."""
    owners = {}
    for pid in pids:
        with contextlib.suppress(OSError):
            for path in Path(f"/proc/{pid}/fd").iterdir():
                with contextlib.suppress(OSError):
                    owners[os.readlink(path)] = pid
    found = []
    for table in ("tcp", "tcp6"):
        for line in Path("/proc/net", table).read_text().splitlines()[1:]:
            fields = line.split()
            address, port = fields[1].split(":")
            owner = owners.get(f"socket:[{fields[9]}]")
            if fields[3] == "0A" and owner is not None:
                found.append((owner, address, int(port, 16)))
    return found
