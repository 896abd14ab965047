"""What the reliability tests ask of a run folder: is it sound at this instant, does it equal another, bit for bit."""

from __future__ import annotations

import csv
import fcntl
import io
import json
import os
import random
from collections.abc import Callable
from pathlib import Path

from dlx.core.errors import ArtefactError
from dlx.record import checkpoint, layout
from dlx.record.checkpoint import Checkpoint

# They hold wall-clock time, process ids or the command; everything else is the same bytes for the same command.
UNLIKE = {layout.TIMING, layout.STATUS, layout.PROVENANCE, layout.LOG, layout.LOCK}


def fresh_random(name: str) -> random.Random:
    """Return a generator for a test, seeded by $DLX_TEST_SEED or anew; pytest shows the line where the test fails."""
    seed = os.environ.get("DLX_TEST_SEED") or str(random.SystemRandom().randrange(2**32))
    print(f"{name}: again with DLX_TEST_SEED={seed}")
    return random.Random(f"{seed} {name}")


def find_run(cwd: Path) -> Path | None:
    """Return the run folder under cwd/runs; None where none has come so far that it can be resumed."""
    found = sorted(cwd.glob(f"runs/*/{layout.CONFIG}"))
    assert len(found) <= 1, found
    return found[0].parent if found else None


def result_files(folder: Path) -> dict[str, bytes]:
    """Read every file of a folder that must be the same for the same command."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and path.name not in UNLIKE)
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


def assert_same_result(folder: Path, reference: Path) -> None:
    """Compare two folders byte by byte; both are done."""
    ours, theirs = result_files(folder), result_files(reference)
    for name in (layout.BEST, layout.LAST):
        name = f"{layout.CHECKPOINTS}/{name}"
        if name in theirs:
            assert name in ours, f"{name} is missing"
            assert_same_tensors(checkpoint.decode(ours[name], name), checkpoint.decode(theirs[name], name))
    assert ours[layout.METRICS].decode() == theirs[layout.METRICS].decode()
    assert sorted(ours) == sorted(theirs)
    assert [name for name in ours if ours[name] != theirs[name]] == []
    statuses = [json.loads((path / layout.STATUS).read_text())["status"] for path in (folder, reference)]
    assert statuses[0] == statuses[1], statuses


def assert_same_tensors(ours: Checkpoint, theirs: Checkpoint) -> None:
    """Compare names, types, shapes and bytes of all tensors, and the state."""
    assert sorted(ours.tensors) == sorted(theirs.tensors)
    for name, tensor in ours.tensors.items():
        other = theirs.tensors[name]
        assert (tensor.dtype, tensor.shape) == (other.dtype, other.shape), name
        assert tensor.numpy().tobytes() == other.numpy().tobytes(), name
    assert ours.state == theirs.state


def assert_sound(folder: Path) -> None:
    """Check what holds at every instant, also after a kill: whole files under final names, whole rows."""
    status = json.loads((folder / layout.STATUS).read_text())
    assert status["status"] in ("created", "running", "done", "interrupted", "failed", "diverged")
    if (folder / layout.METRICS).is_file():
        whole_rows((folder / layout.METRICS).read_bytes())
    for path in (folder / layout.CHECKPOINTS).glob("[a-z]*.safetensors"):
        checkpoint.load(path)
    for name in (layout.SUMMARY, layout.PROVENANCE, f"{layout.REPORT}/{layout.REPORT_JSON}"):
        if (folder / name).is_file():
            json.loads((folder / name).read_text())


def whole_rows(data: bytes) -> list[list[str]]:
    """Read metrics.csv; fail where a row is cut, a cell is no number, or an epoch is missing or there twice."""
    if not data:
        return []
    assert data.endswith(b"\n"), data[-80:]
    header, *rows = csv.reader(io.StringIO(data.decode()))
    for number, row in enumerate(rows, start=1):
        assert len(row) == len(header), row
        assert int(row[0]) == number, row[0]
        assert all(cell == "" or float(cell) == float(cell) for cell in row), row
    return rows


def position(folder: Path) -> tuple[int, int] | None:
    """Return (epoch, step in epoch) of the newest rolling checkpoint that is whole."""
    for path in sorted((folder / layout.CHECKPOINTS).glob("step-*.safetensors"), reverse=True):
        try:
            progress = checkpoint.load(path).state["progress"]
        except ArtefactError:
            continue
        return progress["epoch"], progress["step_in_epoch"]
    return None


def leftovers(folder: Path) -> list[str]:
    """List temporary files."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob(".*.tmp"))


def once(base: Path, name: str, make: Callable[[Path], None]) -> Path:
    """Make a folder once per test session, also where pytest-xdist runs several processes.

    Args:
        base: tmp_path_factory.getbasetemp(); its parent is common to the processes of one session.
        make: fills the folder.
    """
    root = base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base
    folder = root / f"once-{name}"
    with open(root / f"once-{name}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / ".ready").exists():
            folder.mkdir()
            make(folder)
            (folder / ".ready").touch()
    return folder
