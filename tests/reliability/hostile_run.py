"""A run folder to do harm with, beside a trap; and what must hold whatever was done to it.

Forged checkpoints carry a valid hash, because whoever can write a file can compute one.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from run_files import find_run, once
from warm_dlx import Result, server

import dlx
from dlx.record import layout

OVERRIDES = ["model.width=8", "batch_size=256", "epochs=2", "metric=[accuracy]"]
GIB = 2**30
CPU_SECONDS = 2.0
SECRET = "s3cr3t-of-the-victim"
ROLLING = "step-000000000001.safetensors"
EVIL = """
import pathlib
CANARY = pathlib.Path({canary!r})
CANARY.write_text("imported")
class Model:
    def __init__(self, *args, **kwargs):
        CANARY.write_text("called")
"""
# Where a module may come from: Python, its packages, dlx, and the test server itself.
ROOTS = tuple(map(str, (sys.prefix, sys.base_prefix, Path(dlx.__file__).parent, Path(__file__).parent)))


class Place(NamedTuple):
    """A copy of a run with a trap beside it.

    cwd: the current folder of commands; `evil` can be imported from it and writes the canary.
    """

    cwd: Path
    run: Path
    canary: Path

    def file(self, name: str) -> Path:
        """A file of the run folder."""
        return self.run / name

    def call(self, *arguments: str) -> Result:
        """Run a dlx command that could import from its current folder, with a secret in its environment."""
        return server().run(
            *arguments, cwd=self.cwd, env={"DLX_SECRET": SECRET}, memory=GIB, importable=self.cwd, seconds=15.0
        )


def make_run(folder: Path) -> None:
    """Train a small run to its end."""
    result = server().run("train", *OVERRIDES, "--json", cwd=folder)
    assert result.code == 0, result


def make_place(base: Path, tmp_path: Path) -> Place:
    """Copy the run, made once, and lay the trap."""
    source = once(base, "hostile", make_run)
    shutil.copytree(source / "runs", tmp_path / "runs")
    canary = tmp_path / "canary"
    (tmp_path / "evil.py").write_text(EVIL.format(canary=str(canary)))
    run = find_run(tmp_path)
    assert run is not None
    return Place(tmp_path, run, canary)


def make_killed(place: Place) -> Place:
    """Turn it into a run that `dlx resume` goes on with, from one rolling checkpoint."""
    folder = place.run / layout.CHECKPOINTS
    (folder / layout.LAST).rename(folder / ROLLING)
    (folder / layout.BEST).unlink()
    place.file(layout.SUMMARY).unlink()
    place.file(layout.STATUS).write_text(json.dumps({"status": "running", "epoch": 0, "pid": 1, "time": 0.0}))
    return place


def assert_harmless(place: Place, result: Result, codes: tuple[int, ...] = (3,)) -> None:
    """One message, no traceback, little work; nothing ran, nothing leaked, nothing foreign was imported."""
    said = result.out + result.err
    assert "Traceback" not in said, said[-3000:]
    assert result.code in codes, said[-2000:]
    # Before its message, resume and train say on one line which run it is.
    messages = [line for line in result.err.splitlines() if not line.startswith("     ") and "  seed " not in line]
    assert result.code == 0 or (len(messages) == 1 and messages[0].startswith("dlx: ")), result.err[:2000]
    assert len(said) < 20_000, len(said)
    assert result.cpu_seconds < CPU_SECONDS
    assert not place.canary.exists()
    foreign = [name for name in result.modules if name.startswith("/") and not name.startswith(ROOTS)]
    assert not foreign, foreign
    assert "evil" not in result.modules
    assert SECRET not in said
    for path in place.cwd.rglob("*"):
        if path.is_file() and path.stat().st_size < 2**24:
            assert SECRET.encode() not in path.read_bytes(), path


def no_escapes(text: str) -> bool:
    return not any(ord(letter) < 32 and letter not in "\n\r\t" for letter in text)


def put(key: str, value: object) -> Callable[[dict], None]:
    """Set config[a][b] for key a.b; "" is the configuration itself."""

    def change(config: dict) -> None:
        *path, name = key.split("/")
        for step in path:
            config = config[step]
        config[name] = value

    return change


def drop(key: str) -> Callable[[dict], None]:
    def change(config: dict) -> None:
        *path, name = key.split("/")
        for step in path:
            config = config[step]
        del config[name]

    return change
