"""Jobs of several runs of which one raises, leaves, crashes, hangs, runs out of memory or diverges: the others end with
the bytes of undisturbed ones.
"""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

import pytest
from grouped_sweep import GroupedDriver
from run_files import assert_same_result, fresh_random, leftovers, once
from user_parts import write_user_parts

from dlx.record import layout

QUICK = ["model=net", "epochs=2", "metric=[accuracy]", "batch_size=128"]
# How a run behaves, and what is said of it.
MODES = {
    "raise": "failed: ValueError: the user's own mistake",
    "exit": "failed: its process left with exit code 9",
    "leave": "failed: its process left with exit code 0",
    "segfault": "failed: its process was killed by signal 11",
    "kill": "failed: its process was killed by signal 9",
    "limit": "oom: ",
    "diverge": "diverged: ",
}


# Unknown modes are fine.
FINE = [f"fine{number}" for number in range(2 * len(MODES))]


def by_mode(*modes: str) -> list[str]:
    return [*QUICK, f"model.mode={','.join(modes)}"]


@pytest.fixture
def reference(tmp_path_factory):
    """The fine runs, undisturbed and each in a job of its own."""

    def make(cwd: Path) -> None:
        write_user_parts(cwd)
        with GroupedDriver(cwd, by_mode(*FINE), 1) as driver:
            assert driver.wait() == {}

    return once(tmp_path_factory.getbasetemp(), "group-reference", make) / "sweep"


def assert_same_runs(sweep: Path, reference: Path, wanted: int) -> None:
    """Compare the runs that both have, byte by byte."""
    names = {path.name for path in (sweep / layout.RUNS).iterdir() if path.is_dir()} & {
        path.name for path in (reference / layout.RUNS).iterdir()
    }
    assert len(names) == wanted
    for name in names:
        assert_same_result(sweep / layout.RUNS / name, reference / layout.RUNS / name, without=(layout.REPORT,))
    assert leftovers(sweep) == []


def test_group_with_a_run_that_fails_leaves_the_others_untouched(tmp_path, reference):
    write_user_parts(tmp_path)
    (tmp_path / "misbehave").touch()
    groups = [(FINE[2 * number], mode, FINE[2 * number + 1]) for number, mode in enumerate(MODES)]
    with GroupedDriver(tmp_path, by_mode(*(mode for group in groups for mode in group)), 3) as driver:
        said = driver.wait()
    assert list(said) == list(MODES)
    assert [mode for mode, text in MODES.items() if not said[mode].startswith(text)] == [], said
    assert_same_runs(tmp_path / "sweep", reference, len(FINE))


@pytest.mark.slow
def test_group_with_a_run_that_hangs_is_narrowed_down_to_it(tmp_path, reference):
    write_user_parts(tmp_path)
    (tmp_path / "misbehave").touch()
    with GroupedDriver(tmp_path, by_mode(FINE[0], "hang", FINE[1]), 3, run_limit_seconds=6.0) as driver:
        assert driver.wait() == {"hang": "failed: ran past run_limit_seconds=6"}
    assert_same_runs(tmp_path / "sweep", reference, 2)


@pytest.mark.slow
@pytest.mark.parametrize("size", [2, 3, 6])
def test_groups_whose_driver_is_killed_again_and_again_end_with_the_bytes_of_undisturbed_runs(
    size, tmp_path, reference
):
    draw = fresh_random(f"group-kills-{size}")
    write_user_parts(tmp_path)
    grid, sweep = by_mode(*FINE), tmp_path / "sweep"
    for _ in range(4):
        begin = time.time()
        with GroupedDriver(tmp_path, grid, size, checkpoint_seconds=0.05) as driver:
            driver.wait_until(lambda begin=begin: wrote_since(sweep, begin))
            time.sleep(draw.uniform(0.0, 0.6))
            driver.kill()
    with GroupedDriver(tmp_path, grid, size) as driver:
        assert driver.wait() == {}
    assert_same_runs(sweep, reference, len(FINE))
    for name in (layout.RUNS_TABLE, layout.LEADERBOARD):
        assert (sweep / name).read_bytes() == (reference / name).read_bytes()


def test_group_is_stopped_with_checkpoints_and_goes_on(tmp_path):
    write_user_parts(tmp_path)
    (tmp_path / "misbehave").touch()
    grid, sweep = [*QUICK, "model.nap=0.05", "seed=range(4)"], tmp_path / "sweep"
    with GroupedDriver(tmp_path, grid, 2) as driver:
        driver.wait_until(lambda: len(list(sweep.glob(f"{layout.RUNS}/*/{layout.METRICS}"))) == 2)
        os.kill(driver.process.pid, signal.SIGTERM)
        assert driver.process.wait(30) == 143
    reasons = [json.loads(path.read_text())["reason"] for path in sweep.glob(f"{layout.RUNS}/*/{layout.STATUS}")]
    assert len(reasons) == 2
    assert all(reason.startswith("interrupted at step") for reason in reasons)
    assert not (sweep / layout.PROGRESS).exists()
    (tmp_path / "misbehave").unlink()
    with GroupedDriver(tmp_path, grid, 2) as driver:
        assert driver.wait() == {}
    assert not (sweep / layout.PROGRESS).exists()


def wrote_since(sweep: Path, begin: float) -> bool:
    """Some run has written a row since then."""
    files = sweep.glob(f"{layout.RUNS}/*/{layout.METRICS}")
    return any(path.stat().st_mtime > begin for path in files)
