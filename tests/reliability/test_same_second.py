"""Many processes at the same instant: each has a folder of its own, and one run has one process."""

from __future__ import annotations

import json
import os
import time

import pytest
from run_files import assert_same_result, find_run, once
from user_parts import CONFIG_DIR, write_user_parts
from warm_dlx import server

from dlx.core.errors import ConfigError
from dlx.record import checkpoint, layout
from dlx.record.folder import RunFolder
from dlx.record.safe_yaml import read_yaml

SMALL = ["model.width=8", "batch_size=1078", "epochs=1", "metric=[accuracy]"]
LONG = ["model=cnn", "model.width=8", "batch_size=8", "epochs=100000", "metric=[accuracy]"]
NUMBER = 30


def test_thirty_trainings_started_at_once_have_thirty_folders(tmp_path):
    # Each sleeps in its first step, so that those which were quick do not keep the others from the processor.
    write_user_parts(tmp_path)
    (tmp_path / "misbehave").touch()
    arguments, at = ["train", CONFIG_DIR, "model=net", "model.nap=1000.0"], time.monotonic() + 1.0
    children = [server().start(*arguments, cwd=tmp_path, at=at) for _ in range(NUMBER)]
    try:
        deadline = time.monotonic() + 30
        while len(found := list(tmp_path.glob(f"runs/*/{layout.CONFIG}"))) < NUMBER:
            assert time.monotonic() < deadline, len(found)
            time.sleep(0.01)
        holders = set()
        for path in (file.parent for file in found):
            read_yaml(path / layout.CONFIG)
            assert RunFolder(path).is_locked()
            holders.add(int((path / layout.LOCK).read_text()))
        assert holders == {child.pid for child in children}
    finally:
        for child in children:
            child.kill()
    assert len(list(tmp_path.glob("runs/*"))) == NUMBER
    # The same second, or the test tested nothing.
    stamps = [path.name[:15] for path in tmp_path.glob("runs/*")]
    assert max(map(stamps.count, stamps)) >= 5, sorted(stamps)


@pytest.mark.slow
def test_thirty_trainings_at_once_each_end_with_the_same_bytes(tmp_path):
    at = time.monotonic() + 1.0
    children = [server().start("train", *SMALL, "--json", cwd=tmp_path, at=at) for _ in range(NUMBER)]
    assert [child.wait(300).code for child in children] == [0] * NUMBER
    first, *others = sorted(tmp_path.glob("runs/*"))
    assert len(others) == NUMBER - 1
    for other in others:
        assert_same_result(other, first)


def make_folders(tmp_path, number, at):
    """Make folders in a forked process; leave their names in a file."""
    pid = os.fork()
    if pid == 0:
        try:
            time.sleep(max(0.0, at - time.monotonic()))
            made = [RunFolder.create(tmp_path / "runs", "same", "00000000").path.name for _ in range(20)]
            (tmp_path / f"made-{number}").write_text("\n".join(made))
        finally:
            os._exit(0)
    return pid


def test_folders_made_by_thirty_processes_at_once_are_never_shared(tmp_path):
    at = time.monotonic() + 0.3
    for pid in [make_folders(tmp_path, number, at) for number in range(NUMBER)]:
        os.waitpid(pid, 0)
    made = [name for path in tmp_path.glob("made-*") for name in path.read_text().split("\n")]
    assert len(made) == NUMBER * 20
    assert len(set(made)) == len(made)
    assert sorted(made) == sorted(path.name for path in (tmp_path / "runs").glob("*/"))


@pytest.fixture
def training(tmp_path):
    """A run in progress, with a rolling checkpoint; and its process."""
    child = server().start("train", *LONG, "checkpoint_seconds=0.05", cwd=tmp_path)
    while (run := find_run(tmp_path)) is None or not list((run / layout.CHECKPOINTS).glob("step-*")):
        assert child.poll(0.001) is None, child.result
    yield run, child
    if child.result is None:
        child.kill()


def test_second_process_on_a_run_is_refused_and_names_the_first(training, tmp_path):
    run, child = training
    before = time.monotonic()
    result = server().run("resume", str(run), cwd=tmp_path)
    assert time.monotonic() - before < 2
    assert result.code == 2
    assert f"process {child.pid}" in result.err
    assert "Traceback" not in result.err
    assert json.loads((run / layout.STATUS).read_text())["pid"] == child.pid
    assert child.poll(0.2) is None, "the first goes on"


def test_of_two_resumes_at_once_one_goes_on_and_the_other_names_it(training, tmp_path):
    run, child = training
    child.kill()
    for _ in range(3):
        at = time.monotonic() + 0.1
        pair = [server().start("resume", str(run), cwd=tmp_path, at=at) for _ in range(2)]
        while all(one.poll() is None for one in pair):
            time.sleep(0.005)
        loser, winner = sorted(pair, key=lambda one: one.result is None)
        assert loser.result.code == 2, loser.result
        assert f"process {winner.pid}" in loser.result.err
        assert winner.poll(0.1) is None
        # The kernel frees the lock of a killed process: the next round starts at once.
        winner.kill()


def test_looking_at_a_run_never_keeps_another_process_from_it(tmp_path):
    # `dlx runs` in a loop beside `dlx resume`: asking whether a run is locked must not lock it.
    folder = RunFolder.create(tmp_path, "looked-at", "00000000")
    with folder:
        pass
    pid = os.fork()
    if pid == 0:
        while True:
            RunFolder(folder.path).is_locked()
    refused = 0
    try:
        end = time.monotonic() + 1.0
        while time.monotonic() < end:
            try:
                with RunFolder(folder.path):
                    pass
            except ConfigError:
                refused += 1
    finally:
        os.kill(pid, 9)
        os.waitpid(pid, 0)
    assert refused == 0


def make_evaluated(cwd):
    assert server().run("train", *SMALL, "--json", cwd=cwd).code == 0


def test_evaluations_and_reports_of_one_run_at_once_do_not_disturb_each_other(tmp_path_factory):
    cwd = once(tmp_path_factory.getbasetemp(), "evaluated", make_evaluated)
    run, at = find_run(cwd), time.monotonic() + 0.2
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    children = [
        server().start(command, str(run), cwd=cwd, at=at) for command in ("evaluate", "report", "evaluate", "report")
    ]
    for child in children:
        result = child.wait()
        assert result.code == 0, result
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before
    checkpoint.load(run / layout.CHECKPOINTS / layout.BEST)
