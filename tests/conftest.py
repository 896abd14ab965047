"""Shared fixtures: the command line in process and as a process, in an empty working folder."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import pytest

from dlx.cli.main import main

# Tests run side by side on few cores: one thread each.
os.environ.setdefault("OMP_NUM_THREADS", "1")


class Result(NamedTuple):
    """What a command left: exit code, standard output, standard error."""

    code: int
    out: str
    err: str


@pytest.fixture(scope="session", autouse=True)
def prepared_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Keep decoded copies of folders apart from the user's."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DLX_CACHE_DIR", str(folder))
        yield folder


@pytest.fixture
def workdir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def dlx(workdir: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., Result]:
    """Run a dlx command in this process, in the empty folder."""

    def run(*arguments: str) -> Result:
        try:
            code = main(arguments)
        except SystemExit as leaving:
            code = int(leaving.code or 0)
        captured = capsys.readouterr()
        return Result(code, captured.out, captured.err)

    return run


def dlx_command(*arguments: str) -> list[str]:
    """Return the command line of a dlx process."""
    return [sys.executable, "-m", "dlx", *arguments]


@pytest.fixture
def dlx_process(workdir: Path) -> Callable[..., Result]:
    """Run a dlx command as a process of its own, in the empty folder."""

    def run(*arguments: str, timeout: float = 120, **environment: str) -> Result:
        done = subprocess.run(dlx_command(*arguments), cwd=workdir, env={**os.environ, **environment}, text=True,
                              capture_output=True, timeout=timeout, check=False)
        return Result(done.returncode, done.stdout, done.stderr)

    return run


def only_run(runs_dir: Path = Path("runs")) -> Path:
    """Return the one run folder there is."""
    found: Sequence[Path] = [path for path in runs_dir.iterdir() if path.is_dir()]
    assert len(found) == 1, found
    return found[0]


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder of real data sets; skips where there is none."""
    folder = os.environ.get("DLX_DATA_DIR")
    if not folder or not (Path(folder) / "MNIST" / "raw").is_dir():
        pytest.skip("DLX_DATA_DIR does not name a folder with MNIST/raw")
    return Path(folder)
