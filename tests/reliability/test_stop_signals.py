"""SIGTERM and Ctrl-C: a durable checkpoint within a step, an honest message, and the same bytes after resuming."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import re
import shutil
import signal
import subprocess
import sys
import time

import pytest
from run_files import assert_same_result, assert_sound, find_run, fresh_random, leftovers, once
from user_parts import CONFIG_DIR, MODULE, write_user_parts
from warm_dlx import server

from dlx.record import checkpoint, layout

OVERRIDES = ["model=cnn", "model.width=8", "regularizer=[dropout]", "batch_size=8", "epochs=4", "metric=[accuracy]"]
HIDE_CURSOR, SHOW_CURSOR = b"\x1b[?25l", b"\x1b[?25h"
CODES = {signal.SIGTERM: 143, signal.SIGINT: 130}
# No checkpoint is due by time, so that the only one is that of the signal.
NEVER = "checkpoint_seconds=1000"


def make_reference(folder):
    assert server().run("train", *OVERRIDES, NEVER, "--json", cwd=folder).code == 0


@pytest.fixture
def reference(tmp_path_factory):
    return find_run(once(tmp_path_factory.getbasetemp(), "signals", make_reference))


def started(cwd, child, rows=1):
    """Wait until a run has so many rows; return its folder."""
    while (
        (run := find_run(cwd)) is None
        or not (run / layout.METRICS).is_file()
        or (len((run / layout.METRICS).read_text().splitlines()) < rows + 1)
    ):
        assert child.poll(0.001) is None, child.result
    return run


def status(run):
    return json.loads((run / layout.STATUS).read_text())


@pytest.mark.parametrize("number", CODES, ids=lambda number: number.name)
def test_train_that_is_asked_to_stop_checkpoints_within_a_step_and_resumes_exactly(number, tmp_path, reference):
    child = server().start("train", *OVERRIDES, NEVER, "--json", cwd=tmp_path)
    run = started(tmp_path, child)
    rows = len((run / layout.METRICS).read_text().splitlines()) - 1
    sent = time.monotonic()
    child.send(number)
    result = child.wait(10)
    assert time.monotonic() - sent < 2
    assert result.code == CODES[number], result
    assert f"dlx resume {run.relative_to(tmp_path)}" in result.err
    assert "Traceback" not in result.err
    assert status(run)["status"] == "interrupted"
    step = int(re.search(r"at step (\d+)", result.err)[1])
    path = run / layout.CHECKPOINTS / f"step-{step:012d}.safetensors"
    progress = checkpoint.load(path).state["progress"]
    steps_per_epoch = -(-1078 // 8)
    assert progress["epoch"] * steps_per_epoch + progress["step_in_epoch"] == step
    assert progress["epoch"] >= rows
    assert_sound(run)
    result = server().run("resume", str(run), "--json", cwd=tmp_path)
    assert result.code == 0, result
    assert_same_result(run, reference)


def test_train_in_a_process_of_its_own_stops_at_ctrl_c(tmp_path):
    # As a terminal does: to the whole group, and an interpreter that had nothing imported before.
    process = subprocess.Popen(
        [sys.executable, "-m", "dlx", "train", *OVERRIDES, "epochs=100000"],
        cwd=tmp_path,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        deadline = time.monotonic() + 60
        while (
            (run := find_run(tmp_path)) is None
            or not (run / layout.METRICS).is_file()
            or (run / layout.METRICS).stat().st_size == 0
        ):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=10)
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == 130, err
    assert f"dlx resume {run.relative_to(tmp_path)}" in err
    assert "Traceback" not in err


@pytest.mark.parametrize("moments", [pytest.param(8, id="8"), pytest.param(60, id="60", marks=pytest.mark.slow)])
def test_ctrl_c_while_train_starts_leaves_at_once_without_a_traceback(moments, tmp_path):
    # While numpy and torch are imported, where a KeyboardInterrupt is swallowed, or ends the process with SIGABRT.
    rng = fresh_random("train start")
    for number in range(moments):
        cwd, delay = tmp_path / str(number), 0.02 + 0.8 * (number + rng.random()) / moments
        cwd.mkdir()
        with subprocess.Popen(
            [sys.executable, "-m", "dlx", "train", "epochs=100000"],
            cwd=cwd,
            text=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,
        ) as process:
            time.sleep(delay)
            process.send_signal(signal.SIGINT)
            try:
                _, err = process.communicate(timeout=10)
            finally:
                process.kill()
        assert "Traceback" not in err, (delay, err[-600:])
        assert process.returncode in (130, -signal.SIGINT), (delay, process.returncode, err[-600:])


@pytest.mark.parametrize("command", [("train", "epochs=100000"), ("sweep", "seed=1,2", "epochs=100000")])
@pytest.mark.parametrize("delay", [0.0, 0.3, 1.5])
def test_ctrl_c_in_a_terminal_leaves_the_cursor_visible(command, delay, tmp_path):
    terminal, end = pty.openpty()
    process = subprocess.Popen([sys.executable, "-m", "dlx", *command], cwd=tmp_path, stdout=end, stderr=end,
                               start_new_session=True, env={**os.environ, "TERM": "xterm"})
    os.close(end)
    said = b""
    try:
        while HIDE_CURSOR not in said:
            said += os.read(terminal, 4096)
        time.sleep(delay)
        process.send_signal(signal.SIGINT)
        with contextlib.suppress(OSError):
            # Ends with an error once no process has the terminal open.
            while more := os.read(terminal, 4096):
                said += more
        assert process.wait(10) == 130
    finally:
        process.kill()
        os.close(terminal)
    assert said.rfind(SHOW_CURSOR) > said.rfind(HIDE_CURSOR)
    assert b"Traceback" not in said


@pytest.mark.parametrize("number", CODES, ids=lambda number: number.name)
@pytest.mark.parametrize("moment", ["created", "best", "done"])
def test_signal_outside_of_training_leaves_a_run_that_ends_the_same(moment, number, tmp_path, reference):
    there = {
        "created": lambda run: True,
        "best": lambda run: (run / layout.CHECKPOINTS / layout.BEST).is_file(),
        "done": lambda run: status(run)["status"] == "done",
    }[moment]
    child = server().start("train", *OVERRIDES, NEVER, "--json", cwd=tmp_path)
    while (run := find_run(tmp_path)) is None or not there(run):
        assert child.poll() is None
    child.send(number)
    result = child.wait()
    assert result.code in (0, CODES[number], -number), result
    assert "Traceback" not in result.err
    for _ in range(2):
        result = server().run("resume", str(run), "--json", cwd=tmp_path)
        assert result.code == 0, result
    assert_same_result(run, reference)


def test_signals_at_random_instants_and_in_pairs_never_change_the_result(tmp_path, reference):
    rng, child = fresh_random("signals"), server().start("train", *OVERRIDES, NEVER, "--json", cwd=tmp_path)
    run = started(tmp_path, child, rows=0)
    for _ in range(6):
        first, second = (rng.choice(list(CODES)) for _ in range(2))
        if child.poll(rng.uniform(0, 0.2)) is not None:
            break
        child.send(first)
        if child.poll(rng.uniform(0, 0.004)) is None:
            child.send(second)
        result = child.wait(10)
        assert result.code in (0, CODES[first], CODES[second], -first, -second), result
        assert "Traceback" not in result.err
        assert_sound(run)
        child = server().start("resume", str(run), NEVER, "--json", cwd=tmp_path)
    assert child.wait().code == 0
    assert_same_result(run, reference)
    assert leftovers(run) == []


NAPPING = (CONFIG_DIR, "model=net", "model.nap=1.0", "epochs=2", "metric=[accuracy]", NEVER, "--json")


def napping_run(tmp_path):
    """Start a run that sleeps a second in each step; return its folder and process once it is in a step."""
    write_user_parts(tmp_path)
    (tmp_path / "misbehave").touch()
    child = server().start("train", *NAPPING, cwd=tmp_path)
    while (run := find_run(tmp_path)) is None or status(run)["status"] != "running":
        assert child.poll(0.001) is None, child.result
    time.sleep(0.2)
    return run, child


def test_second_ctrl_c_leaves_at_once_and_corrupts_nothing(tmp_path):
    run, child = napping_run(tmp_path)
    child.send(signal.SIGINT)
    assert child.poll(0.1) is None, "the first Ctrl-C waits for the step"
    sent = time.monotonic()
    child.send(signal.SIGINT)
    result = child.wait(10)
    assert time.monotonic() - sent < 0.5
    assert result.code == 130
    assert "Traceback" not in result.err
    assert_sound(run)
    (tmp_path / "misbehave").unlink()
    assert server().run("resume", str(run), "--trust", MODULE, "--json", cwd=tmp_path).code == 0
    again = tmp_path / "again"
    again.mkdir()
    for name in ("conf", f"{MODULE}.py"):
        (shutil.copytree if (tmp_path / name).is_dir() else shutil.copy)(tmp_path / name, again / name)
    assert server().run("train", *NAPPING, cwd=again).code == 0
    assert_same_result(run, find_run(again))


def test_first_ctrl_c_waits_for_one_step_alone(tmp_path):
    run, child = napping_run(tmp_path)
    child.send(signal.SIGINT)
    sent = time.monotonic()
    result = child.wait(10)
    assert time.monotonic() - sent < 2.0
    assert result.code == 130
    assert len(list((run / layout.CHECKPOINTS).glob("step-*"))) == 1
