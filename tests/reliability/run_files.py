"""What the reliability tests ask of a run folder: is it sound at this instant, does it equal another, bit for bit."""

from __future__ import annotations

import copy
import csv
import fcntl
import io
import json
import os
import random
import re
import shutil
from collections.abc import Callable
from pathlib import Path

from dlx.core.errors import ArtefactError
from dlx.record import checkpoint, layout
from dlx.record.checkpoint import Checkpoint

# They hold wall-clock time, process ids or the command; everything else is the same bytes for the same command.
UNLIKE = {layout.TIMING, layout.STATUS, layout.PROVENANCE, layout.LOG, layout.LOCK}
# What measuring took, in measures/*.json and report.json.
SECONDS = re.compile(rb'("seconds": )[0-9][0-9.e-]*')


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
    """Read every file of a folder that must be the same for the same command; seconds that something took are cut."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and path.name not in UNLIKE)
    return {str(path.relative_to(folder)): SECONDS.sub(rb"\1", path.read_bytes()) for path in paths}


def assert_same_result(folder: Path, reference: Path, without: tuple[str, ...] = ()) -> None:
    """Compare two folders byte by byte; both are over.

    Args:
        without: beginnings of the names of files that say what was typed, where that was not the same.
    """
    ours, theirs = (
        {name: data for name, data in result_files(path).items() if not name.startswith(without)}
        for path in (folder, reference)
    )
    for name in (layout.BEST, layout.LAST):
        name = f"{layout.CHECKPOINTS}/{name}"
        if name in theirs:
            assert name in ours, f"{name} is missing"
            assert_same_tensors(checkpoint.decode(ours[name], name), checkpoint.decode(theirs[name], name))
    assert ours[layout.METRICS] == theirs[layout.METRICS], "metrics.csv differs"
    assert sorted(ours) == sorted(theirs), (
        f"missing: {theirs.keys() - ours.keys()}, too many: {ours.keys() - theirs.keys()}"
    )
    unequal = [name for name in ours if ours[name] != theirs[name]]
    assert not unequal, unequal
    statuses = [json.loads((path / layout.STATUS).read_text())["status"] for path in (folder, reference)]
    assert statuses[0] == statuses[1], statuses


def assert_same_tensors(ours: Checkpoint, theirs: Checkpoint) -> None:
    """Compare names, types, shapes and bytes of all tensors, and the state."""
    assert sorted(ours.tensors) == sorted(theirs.tensors), ours.tensors.keys() ^ theirs.tensors.keys()
    for name, tensor in ours.tensors.items():
        other = theirs.tensors[name]
        assert (tensor.dtype, tensor.shape) == (other.dtype, other.shape), name
        assert tensor.numpy().tobytes() == other.numpy().tobytes(), name
    found = differences(ours.state, theirs.state)
    assert not found, found[:5]


def differences(ours: object, theirs: object, where: str = "") -> list[str]:
    """List where two nested values differ, in value or type."""
    if isinstance(ours, dict) and isinstance(theirs, dict) and list(ours) == list(theirs):
        return [text for key in ours for text in differences(ours[key], theirs[key], f"{where}/{key}")]
    if isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        return [
            text for i, pair in enumerate(zip(ours, theirs, strict=True)) for text in differences(*pair, f"{where}/{i}")
        ]
    same = type(ours) is type(theirs) and repr(ours) == repr(theirs)
    return [] if same else [f"{where}: {str(ours)[:200]} != {str(theirs)[:200]}"]


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


def forge(path: Path, change: Callable[[dict], None]) -> None:
    """Change the state of a checkpoint and hash it anew."""
    found = checkpoint.load(path)
    changed = {key: copy.deepcopy(value) for key, value in found.state.items() if key not in ("sha256", "format")}
    change(changed)
    path.write_bytes(checkpoint.encode(Checkpoint(found.tensors, changed)))


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
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            make(folder)
            (folder / ".ready").touch()
    return folder
