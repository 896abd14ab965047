"""Runs that train together in one process, of which one raises, crashes, hangs, runs out of memory or diverges."""

from __future__ import annotations

import csv
import json
import re
import signal
import time
from pathlib import Path

import pytest
from run_files import assert_same_result, leftovers, once
from user_parts import CONFIG_DIR, MODULE, write_user_parts
from warm_dlx import Result, server

from dlx.record import layout

QUICK = ["loss=dosed", "epochs=2", "batch_size=128", "model.width=16", "optimizer=sgd", "metric=[accuracy]"]
# The run of dose 1 is the one that misbehaves.
DOSES = ["0", "0.5", "1", "0.25"]
# How it does so, and what is said of it.
MODES = {
    "raise": "failed: ValueError: the user's own mistake",
    "segfault": "failed: its process was killed by signal 11",
    "kill": "failed: its process was killed by signal 9",
    "memory": "oom: ",
    "diverge": "diverged: training diverged: the loss of step 2 was not finite",
}
SLOW_MODES = {
    "leave": "failed: its process left with exit code 0",
    "exit": "failed: its process left with exit code 9",
    "limit": "oom: ",
    "hang": "failed: ran past run_limit_seconds=4",
}
# Of the members beside which the culprit trained, until it was found.
NARROWED = [4, 2, 1]
# What is out of memory is divided by its own process at first; what diverged is over.
ATTEMPTS = {"memory": [4, 2, 1, 1], "limit": [4, 2, 1, 1], "diverge": [4]}
Rows = dict[tuple[str, str], dict[str, str]]


def grid(*modes: str) -> list[str]:
    """Return the sweep's arguments: a group of four members for every mode."""
    return [CONFIG_DIR, *QUICK, f"loss.mode={','.join(modes)}", f"loss.dose={','.join(DOSES)}", "workers=2"]


def start(cwd: Path, *arguments: str, seconds: float = 120.0) -> Result:
    return server().run(*arguments, cwd=cwd, seconds=seconds)


def misbehaving(cwd: Path, *arguments: str) -> tuple[Result, Path]:
    """Sweep with runs that misbehave; return what was said, and the folder."""
    write_user_parts(cwd)
    (cwd / "misbehave").touch()
    result = start(cwd, "sweep", *arguments)
    return result, only_sweep(cwd)


def only_sweep(cwd: Path) -> Path:
    (path,) = cwd.glob(f"runs/*/{layout.SWEEP}")
    return path.parent


def rows_of(sweep: Path) -> Rows:
    """Read runs.csv, by mode and dose."""
    return {(row["loss.mode"], row["loss.dose"]): row for row in read_table(sweep)}


def read_table(sweep: Path) -> list[dict[str, str]]:
    with open(sweep / layout.RUNS_TABLE, newline="") as file:
        return list(csv.DictReader(file))


def log_of(sweep: Path, row: dict[str, str]) -> str:
    return (sweep / layout.RUNS / row["run"] / layout.LOG).read_text()


def members_of(log: str) -> list[int]:
    """Return with how many members a run trained, itself among them, at each attempt."""
    return [int(count) for count in re.findall(r"training on .* members (\d+),", log)]


def said_of(result: Result, row: dict[str, str]) -> tuple[str, list[str]]:
    """Return the line about a run, and the lines of its log that follow."""
    _, found, rest = result.err.partition(f"runs/{row['run']}  ")
    assert found, result.err
    line, _, after = rest.partition("\n")
    return line, [text.strip() for text in after.split("runs/")[0].splitlines() if text.strip()]


def undisturbed(cwd: Path, *modes: str) -> Path:
    """Sweep with the same runs, of which none misbehaves."""
    write_user_parts(cwd)
    result = start(cwd, "sweep", *grid(*modes))
    assert result.code == 0, result
    sweep = only_sweep(cwd)
    assert {tuple(members_of(log_of(sweep, row))) for row in read_table(sweep)} == {(4,)}
    return sweep


@pytest.fixture
def reference(tmp_path_factory):
    """The undisturbed sweep of the quick modes."""
    base = tmp_path_factory.getbasetemp()
    return only_sweep(once(base, "fused-reference", lambda cwd: undisturbed(cwd, *MODES)))


def assert_untouched(sweep: Path, reference: Path) -> None:
    """All runs but the culprits are done, with the bytes of undisturbed ones."""
    for (mode, dose), row in rows_of(sweep).items():
        if dose != "1":
            assert row == rows_of(reference)[mode, dose]
            assert row["status"] == "done"
            assert_same_run(sweep, reference, row["run"])
    assert leftovers(sweep) == []


def assert_same_run(sweep: Path, reference: Path, name: str) -> None:
    # The data of a sweep is checked with the first run of each job, whichever that is.
    ours, theirs = (folder / layout.RUNS / name for folder in (sweep, reference))
    assert_same_result(ours, theirs, without=(layout.REPORT, layout.OVERRIDES, layout.MEASURES))


def assert_mended(sweep: Path, reference: Path, modes: list[str]) -> None:
    """Resume without the fault: the culprits, too, end with the bytes of undisturbed runs."""
    (sweep.parent.parent / "misbehave").unlink()
    result = start(sweep.parent.parent, "resume", str(sweep), "--trust", MODULE, "workers=2")
    assert result.code == 5 * ("diverge" in modes), result
    assert_untouched(sweep, reference)
    rows = rows_of(sweep)
    for mode in modes:
        if mode == "diverge":
            assert rows[mode, "1"]["status"] == "diverged"
        else:
            assert rows[mode, "1"] == rows_of(reference)[mode, "1"]
            assert_same_run(sweep, reference, rows[mode, "1"]["run"])


def assert_found(result: Result, sweep: Path, modes: dict[str, str]) -> None:
    """The culprits, and nothing else, are listed with reason and log tail; each was alone in the end."""
    assert result.code == 5, result
    rows = rows_of(sweep)
    for mode, expected in modes.items():
        line, tail = said_of(result, rows[mode, "1"])
        log = log_of(sweep, rows[mode, "1"])
        assert line.startswith(expected), (mode, line)
        assert tail == [text.strip() for text in log.splitlines()[-12:]], mode
        assert members_of(log) == ATTEMPTS.get(mode, NARROWED), mode
    assert [row["run"] for (_, dose), row in rows.items() if dose != "1" and f"runs/{row['run']}  " in result.err] == []


def test_fused_runs_of_which_one_misbehaves_end_as_without_it_and_it_is_found_and_mended(tmp_path, reference):
    result, sweep = misbehaving(tmp_path, *grid(*MODES))
    assert_found(result, sweep, MODES)
    assert_untouched(sweep, reference)
    assert_mended(sweep, reference, list(MODES))


def test_fused_runs_beside_one_that_stops_the_sweep_are_not_said_to_have_failed(tmp_path, reference):
    result, sweep = misbehaving(tmp_path, *grid("raise"), "workers=1", "on_error=stop", "loss.dose=1,0,0.5,0.25")
    assert result.code == 5, result
    rows = {row["loss.dose"]: row for row in read_table(sweep)}
    line, _ = said_of(result, rows["1"])
    assert line.startswith(MODES["raise"])
    assert {dose: row["status"] for dose, row in rows.items()} == {
        "1": "failed",
        "0": "interrupted",
        "0.5": "interrupted",
        "0.25": "interrupted",
    }
    status = json.loads((sweep / layout.RUNS / rows["0.25"]["run"] / layout.STATUS).read_text())
    assert status["reason"] == f"one of 4 runs that trained together {MODES['raise']}"
    (tmp_path / "misbehave").unlink()
    assert start(tmp_path, "resume", str(sweep), "--trust", MODULE, "workers=2").code == 0
    for row in rows.values():
        assert_same_run(sweep, reference, row["run"])


@pytest.mark.slow
def test_fused_runs_of_which_one_leaves_or_hangs_end_as_without_it_and_it_is_found_and_mended(tmp_path):
    for name in ("undisturbed", "disturbed"):
        (tmp_path / name).mkdir()
    reference = undisturbed(tmp_path / "undisturbed", *SLOW_MODES)
    result, sweep = misbehaving(tmp_path / "disturbed", *grid(*SLOW_MODES), "run_limit_seconds=4")
    assert_found(result, sweep, SLOW_MODES)
    assert_untouched(sweep, reference)
    assert_mended(sweep, reference, list(SLOW_MODES))


@pytest.mark.slow
def test_fused_run_that_misbehaves_is_tried_again_as_often_as_was_asked_for(tmp_path, reference):
    result, sweep = misbehaving(tmp_path, *grid("raise", "segfault"), "retries=2")
    assert result.code == 5, result
    for mode in ("raise", "segfault"):
        assert members_of(log_of(sweep, rows_of(sweep)[mode, "1"])) == [*NARROWED, 1, 1]
    assert_untouched(sweep, reference)
    assert_mended(sweep, reference, ["raise", "segfault"])


@pytest.mark.slow
def test_no_fused_runs_start_after_more_failed_than_may(tmp_path, reference):
    result, sweep = misbehaving(tmp_path, *grid("raise", "segfault", "kill"), "workers=1", "max_failures=1")
    assert result.code == 5, result
    statuses = {key: row["status"] for key, row in rows_of(sweep).items()}
    assert {mode: statuses[mode, "1"] for mode in ("raise", "segfault", "kill")} == {
        "raise": "failed", "segfault": "interrupted", "kill": "missing"}
    assert {status for (mode, _), status in statuses.items() if mode == "kill"} == {"missing"}
    assert "2 of 12 runs failed" in result.err
    assert_mended(sweep, reference, ["raise", "segfault", "kill"])


@pytest.mark.slow
def test_fused_runs_go_on_from_checkpoints_beside_one_that_misbehaves(tmp_path, reference):
    result, sweep = misbehaving(tmp_path, *grid(*MODES), "checkpoint_seconds=0")
    assert result.code == 5, result
    resumed = [row["loss.mode"] for row in read_table(sweep) if "resumed from step-" in log_of(sweep, row)]
    assert {mode: resumed.count(mode) for mode in resumed} == {mode: 4 for mode in MODES if mode != "diverge"}
    assert_untouched(sweep, reference)
    assert_mended(sweep, reference, list(MODES))


@pytest.mark.slow
def test_sweep_killed_while_it_looks_for_the_run_that_misbehaves_ends_with_the_same_tables(tmp_path, reference):
    for name in ("whole", "killed"):
        (tmp_path / name).mkdir()
        write_user_parts(tmp_path / name)
        (tmp_path / name / "misbehave").touch()
    expected, whole = misbehaving(tmp_path / "whole", *grid(*MODES))
    assert_found(expected, whole, MODES)
    command: tuple[str, ...] = ("sweep", *grid(*MODES))
    for _ in range(3):
        begin, child = time.time(), server().start(*command, cwd=tmp_path / "killed")
        while child.poll(0.01) is None and not halved_since(tmp_path / "killed", begin):
            pass
        assert child.kill().code == -signal.SIGKILL
        sweep = only_sweep(tmp_path / "killed")
        command = ("resume", str(sweep), "--trust", MODULE, "workers=2")
    result = start(tmp_path / "killed", *command)
    assert result.code == 5, result
    for name in (layout.RUNS_TABLE, layout.LEADERBOARD):
        assert (sweep / name).read_bytes() == (whole / name).read_bytes(), name
    assert_untouched(sweep, reference)
    assert_mended(sweep, reference, list(MODES))


def halved_since(cwd: Path, begin: float) -> bool:
    """Some run was started beside one other, or alone."""
    logs = [path for path in cwd.glob(f"runs/*/{layout.RUNS}/*/{layout.LOG}") if path.stat().st_mtime > begin]
    return any({1, 2} & {*members_of(path.read_text())[-1:]} for path in logs)
