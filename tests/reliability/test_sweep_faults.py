"""Sweeps in which runs fail in every way, workers and driver are killed, and the number of workers changes.

The driver is a process of its own here, since its fork server, its group and its death are what is tested.
"""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest
from run_files import assert_same_result, assert_sound, leftovers, once
from user_parts import CONFIG_DIR, MODULE, write_user_parts
from warm_dlx import Result

from dlx.record import layout

# Two groups of three members, or with three workers four, of which two have but one run.
GRID = [
    "seed=0,1,2",
    "epochs=25",
    "batch_size=16",
    "regularizer=[],[l2]",
    "metric=[accuracy]",
    "checkpoint_seconds=0.1",
]
MARK = "DLX_TEST_MARK"


class Driver:
    """A dlx sweep in a process group of its own, marked so that its descendants can be found."""

    def __init__(self, cwd: Path, *arguments: str) -> None:
        self.mark = uuid.uuid4().hex
        self.process = subprocess.Popen(
            [sys.executable, "-m", "dlx", *arguments],
            cwd=cwd,
            text=True,
            start_new_session=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, MARK: self.mark},
        )

    def wait(self, seconds: float = 120.0) -> Result:
        try:
            out, err = self.process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            self.end()
            raise
        return Result(self.process.returncode, out, err, 0.0, ())

    def family(self) -> list[int]:
        """List the living processes that the driver started, itself among them."""
        found = []
        for path in Path("/proc").glob("[0-9]*"):
            try:
                if (
                    self.mark.encode() in (path / "environ").read_bytes()
                    and b") Z " not in (path / "stat").read_bytes()
                ):
                    found.append(int(path.name))
            except OSError:
                continue
        return found

    def assert_gone(self, seconds: float = 3.0) -> None:
        """No process of the sweep lives on."""
        deadline = time.monotonic() + seconds
        while self.family() and time.monotonic() < deadline:
            time.sleep(0.02)
        left = [(pid, Path(f"/proc/{pid}/cmdline").read_bytes()[:200]) for pid in self.family()]
        self.end()
        assert left == []

    def end(self) -> None:
        """Leave nothing behind, also where a test fails."""
        for pid in self.family():
            os.kill(pid, signal.SIGKILL)
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        for stream in (self.process.stdout, self.process.stderr):
            stream.close()


@pytest.fixture
def drive():
    """Start drivers that are gone after the test."""
    started: list[Driver] = []

    def start(cwd: Path, *arguments: str) -> Driver:
        started.append(Driver(cwd, *arguments))
        return started[-1]

    yield start
    for driver in started:
        driver.end()


def find_sweep(cwd: Path) -> Path | None:
    found = sorted(cwd.glob(f"runs/*/{layout.SWEEP}"))
    assert len(found) <= 1
    return found[0].parent if found else None


def run_folders(sweep: Path) -> list[Path]:
    return sorted(path for path in (sweep / layout.RUNS).glob("*") if path.is_dir())


def statuses(sweep: Path) -> list[str]:
    files = [path / layout.STATUS for path in run_folders(sweep)]
    return [json.loads(path.read_text())["status"] for path in files if path.is_file()]


def wait_until(driver: Driver, cwd: Path, there: Callable[[Path], bool]) -> Path:
    """Wait until a sweep is so far; return its folder."""
    deadline = time.monotonic() + 60
    while (sweep := find_sweep(cwd)) is None or not there(sweep):
        assert driver.process.poll() is None, driver.wait()
        assert time.monotonic() < deadline
        time.sleep(0.005)
    return sweep


def assert_same_sweep(sweep: Path, reference: Path) -> None:
    """Compare tables and every run, byte by byte."""
    for name in (layout.RUNS_TABLE, layout.LEADERBOARD):
        assert (sweep / name).read_text() == (reference / name).read_text(), name
    assert [path.name for path in run_folders(sweep)] == [path.name for path in run_folders(reference)]
    for ours, theirs in zip(run_folders(sweep), run_folders(reference), strict=True):
        # The number of workers and the command, `sweep` or `resume`, are in what was typed and in the report.
        assert_same_result(ours, theirs, without=(layout.OVERRIDES, layout.REPORT))
        assert typed(ours) == typed(theirs)
    assert (sweep / layout.REPORT / layout.REPORT_HTML).is_file()
    assert leftovers(sweep) == []


def typed(run: Path) -> list[str]:
    """What was typed for a run, but the number of workers."""
    return [line for line in (run / layout.OVERRIDES).read_text().splitlines() if not line.startswith("workers=")]


def make_reference(cwd: Path) -> None:
    driver = Driver(cwd, "sweep", *GRID, "workers=1", "--json")
    try:
        assert driver.wait().code == 0
    finally:
        driver.end()


@pytest.fixture
def reference(tmp_path_factory):
    """An undisturbed sweep, with one worker."""
    return find_sweep(once(tmp_path_factory.getbasetemp(), "sweep-reference", make_reference))


def going(sweep: Path) -> bool:
    """Some run is over and some is in training."""
    found = statuses(sweep)
    return "done" in found and any(
        (path / layout.METRICS).is_file() and not (path / layout.SUMMARY).exists() for path in run_folders(sweep)
    )


def interrupt(driver: Driver, number: int) -> None:
    """Send a signal: SIGINT as a terminal does, to the group; others to the driver."""
    (os.killpg if number == signal.SIGINT else os.kill)(driver.process.pid, number)


def assert_stopped(driver: Driver, sweep: Path, number: int) -> None:
    sent = time.monotonic()
    interrupt(driver, number)
    result = driver.wait(10)
    assert time.monotonic() - sent < 3
    driver.assert_gone()
    if number == signal.SIGKILL:
        assert result.code == -9
    else:
        assert result.code == 128 + number, result
        assert "dlx resume" in result.err
        assert sweep.name in result.err
        assert "Traceback" not in result.err
        assert not {"running", "created", "failed"} & set(statuses(sweep)), statuses(sweep)
    for path in run_folders(sweep):
        if (path / layout.CONFIG).is_file():
            assert_sound(path)
            assert "Traceback" not in (path / layout.LOG).read_text()


def test_sweep_stopped_by_term_ctrl_c_and_kill_ends_with_the_bytes_of_an_undisturbed_one(drive, tmp_path, reference):
    begin, driver = time.time(), drive(tmp_path, "sweep", *GRID, "workers=2", "--json")
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGKILL):
        sweep = wait_until(driver, tmp_path, lambda sweep, begin=begin: trained_since(sweep, begin))
        assert_stopped(driver, sweep, number)
        begin = time.time()
        driver = drive(tmp_path, "resume", str(sweep), "workers=2", "checkpoint_seconds=0.1", "--json")
    result = driver.wait()
    assert result.code == 0, result
    driver.assert_gone()
    assert_same_sweep(sweep, reference)


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2, 3])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL], ids=lambda number: number.name)
def test_sweep_stopped_again_and_again_ends_with_the_bytes_of_an_undisturbed_one(
    number, workers, drive, tmp_path, reference
):
    begin, driver = time.time(), drive(tmp_path, "sweep", *GRID, f"workers={workers}", "--json")
    for delay in (0.0, 0.1, 0.2, 0.3):
        sweep = wait_until(driver, tmp_path, lambda sweep, begin=begin: trained_since(sweep, begin))
        time.sleep(delay)
        interrupt(driver, number)
        driver.wait(10)
        driver.assert_gone()
        begin = time.time()
        driver = drive(tmp_path, "resume", str(sweep), f"workers={workers}", "checkpoint_seconds=0.05", "--json")
    assert driver.wait().code == 0
    assert_same_sweep(sweep, reference)


def trained_since(sweep: Path, begin: float) -> bool:
    """Some run has written a row or begun to since then."""
    files = [path / layout.METRICS for path in run_folders(sweep)]
    return any(path.is_file() and path.stat().st_mtime > begin for path in files)


@pytest.mark.slow
def test_sweep_with_two_workers_gives_the_bytes_of_one(drive, tmp_path, reference):
    assert drive(tmp_path, "sweep", *GRID, "workers=2", "--json").wait().code == 0
    assert_same_sweep(find_sweep(tmp_path), reference)


@pytest.mark.slow
def test_second_ctrl_c_ends_a_sweep_at_once_and_leaves_no_process(drive, tmp_path, reference):
    driver = drive(tmp_path, "sweep", *GRID, "workers=2", "--json")
    sweep = wait_until(driver, tmp_path, going)
    interrupt(driver, signal.SIGINT)
    time.sleep(0.01)
    interrupt(driver, signal.SIGINT)
    result = driver.wait(5)
    assert result.code == 130
    assert "Traceback" not in result.err
    driver.assert_gone()
    assert drive(tmp_path, "resume", str(sweep), "--json").wait().code == 0
    assert_same_sweep(sweep, reference)


MODES = ["fine", "raise", "exit", "kill", "built", "diverge"]


def test_sweep_isolates_runs_that_raise_leave_die_and_diverge(drive, tmp_path):
    write_user_parts(tmp_path)
    (tmp_path / "misbehave").touch()
    arguments = [CONFIG_DIR, "model=net", f"model.mode={','.join(MODES)}", "epochs=2", "metric=[accuracy]", "workers=2"]
    driver = drive(tmp_path, "sweep", *arguments)
    result = driver.wait()
    driver.assert_gone()
    assert result.code == 5, result
    assert "Traceback" not in result.err.split("runs/")[0]
    sweep = find_sweep(tmp_path)
    table = rows_of(sweep)
    assert {mode: table[mode]["status"] for mode in ("fine", "raise", "diverge")} == {
        "fine": "done",
        "raise": "failed",
        "diverge": "diverged",
    }
    said = {mode: line_of(result.err, row) for mode, row in table.items() if mode != "fine"}
    assert "the user's own mistake" in said["raise"]
    tail = result.err.partition(said["raise"])[2].partition("runs/")[0]
    assert "ValueError: the user's own mistake" in tail
    assert "not finite" in said["diverge"]
    assert "exit code 9" in said["exit"], said
    assert "signal 9" in said["kill"] or "SIGKILL" in said["kill"], said
    # It was started, and left while it was built.
    assert "exit code 9" in said["built"], said
    over = {
        path: stamps(path)
        for path in run_folders(sweep)
        if path.name in (table["fine"]["run"], table["diverge"]["run"])
    }

    (tmp_path / "misbehave").unlink()
    result = drive(tmp_path, "resume", str(sweep), "--trust", MODULE, "workers=2").wait()
    assert result.code == 5, result
    after = {mode: row["status"] for mode, row in rows_of(sweep).items()}
    assert after == {mode: "diverged" if mode == "diverge" else "done" for mode in MODES}
    assert {path: stamps(path) for path in over} == over


def rows_of(sweep: Path) -> dict[str, dict[str, str]]:
    """Read runs.csv, by mode."""
    with open(sweep / layout.RUNS_TABLE, newline="") as file:
        return {row["model.mode"]: row for row in csv.DictReader(file)}


def line_of(err: str, row: dict[str, str]) -> str:
    """Return what was said of a run."""
    return next(line for line in err.splitlines() if f"runs/{row['run']}  " in line)


def stamps(folder: Path) -> dict[str, int]:
    """Return the time of change of every file of a folder, and its own."""
    return {str(path): path.stat().st_mtime_ns for path in [folder, *folder.rglob("*")]}
