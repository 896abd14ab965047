"""The run folder: a name of its own, one process at a time, a status that is true of a process that died."""

from __future__ import annotations

import json
import os
import re
import signal
import threading
import time

import pytest
import yaml

from dlx.core.errors import ArtefactError, ConfigError, StorageError
from dlx.record import layout
from dlx.record.folder import NAME, RunFolder, run_folders

CONFIG = {"name": "digits-mlp", "seed": 0, "model": {"part": "mlp"}, "note": "é"}


@pytest.fixture
def folder(tmp_path):
    made = RunFolder.create(tmp_path / "runs", "digits-mlp", "0123abcd")
    made.describe(CONFIG, ["model=mlp", "note='é'"], {"dlx": "0"})
    return made


def hold(folder):
    """Hold a folder's lock in a forked process; return its pid once it does."""
    ready, tell = os.pipe()
    pid = os.fork()
    if pid == 0:
        with RunFolder(folder.path):
            os.write(tell, b"x")
            time.sleep(60)
        os._exit(0)
    os.read(ready, 1)
    os.close(ready)
    os.close(tell)
    return pid


def kill(pid):
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


def test_create_names_a_folder_by_time_name_and_hash(tmp_path):
    path = RunFolder.create(tmp_path / "a" / "b", "digits-mlp", "0123abcd").path
    assert re.fullmatch(r"\d{8}-\d{6}-digits-mlp-0123abcd", path.name)
    assert path.parent == tmp_path / "a" / "b"


def test_create_numbers_folders_of_the_same_second(tmp_path):
    made = [RunFolder.create(tmp_path, "x", "00000000").path.name for _ in range(50)]
    assert len(set(made)) == 50
    assert all(re.fullmatch(r"\d{8}-\d{6}-x-00000000(-\d+)?", name) for name in made)


def test_create_by_many_threads_never_shares(tmp_path):
    made = []
    threads = [
        threading.Thread(target=lambda: made.append(RunFolder.create(tmp_path, "x", "00000000").path))
        for _ in range(40)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(made)) == 40


@pytest.mark.parametrize("place", ["file", "file/below", "/proc/none", "x" * 300])
def test_create_where_no_folder_can_be_says_so(place, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="cannot write"):
        RunFolder.create(tmp_path / place, "x", "00000000")


def test_at_adopts_a_folder_that_is_there(tmp_path):
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "file").touch()
    assert (RunFolder.at(tmp_path / "x").path / "file").exists()
    assert RunFolder.at(tmp_path / "y" / "z").path.is_dir()


@pytest.mark.parametrize(
    ("name", "fits"),
    [
        ("a", True),
        ("digits-mlp", True),
        ("A.b_c-1", True),
        ("x" * 80, True),
        ("x" * 81, False),
        ("", False),
        (".x", False),
        ("-x", False),
        ("_x", False),
        ("a/b", False),
        ("..", False),
        ("a b", False),
        ("é", False),
        ("a\n", False),
        ("a\0", False),
    ],
)
def test_name_is_one_that_every_file_system_takes(name, fits):
    assert (NAME.fullmatch(name) is not None) == fits


def test_describe_writes_what_the_run_is(folder):
    assert yaml.safe_load((folder.path / layout.CONFIG).read_text()) == CONFIG
    assert list(yaml.safe_load((folder.path / layout.CONFIG).read_text())) == list(CONFIG)
    assert (folder.path / layout.OVERRIDES).read_text() == "model=mlp\nnote='é'\n"
    assert json.loads((folder.path / layout.PROVENANCE).read_text()) == {"dlx": "0"}
    assert json.loads((folder.path / layout.STATUS).read_text())["status"] == "created"
    assert folder.checkpoints.is_dir()


def test_lock_refuses_a_second_holder_and_names_the_first(folder):
    pid = hold(folder)
    try:
        with (
            pytest.raises(ConfigError, match=f"in use by process {pid}; wait for it or stop it first"),
            RunFolder(folder.path),
        ):
            raise AssertionError
    finally:
        kill(pid)


def test_lock_refuses_a_second_holder_in_the_same_process(folder):
    with folder, pytest.raises(ConfigError, match=f"in use by process {os.getpid()}"), RunFolder(folder.path):
        raise AssertionError


def test_lock_is_free_after_the_block_also_where_it_raises(folder):
    with pytest.raises(KeyError), folder:
        raise KeyError
    assert not folder.is_locked()
    with folder:
        assert folder.is_locked()
    assert not folder.is_locked()


def test_lock_of_a_killed_process_is_free_at_once(folder):
    kill(hold(folder))
    assert not folder.is_locked()
    with folder:
        assert (folder.path / layout.LOCK).read_text() == f"{os.getpid()}\n"


def test_lock_names_its_holder_after_a_longer_pid(folder):
    (folder.path / layout.LOCK).write_text("4194304\nand more\n")
    with folder:
        assert (folder.path / layout.LOCK).read_text() == f"{os.getpid()}\n"


def test_lock_is_not_inherited_by_a_program_that_the_holder_starts(folder):
    # A user's data loader or git that outlives a killed run must not keep its lock.
    import subprocess

    with folder:
        sleeper = subprocess.Popen(["sleep", "60"], close_fds=False)
    try:
        assert not folder.is_locked()
    finally:
        sleeper.kill()
        sleeper.wait()


def test_is_locked_of_a_folder_that_never_was_is_false(tmp_path):
    assert not RunFolder(tmp_path).is_locked()
    assert not RunFolder(tmp_path / "missing").is_locked()


def test_lock_in_a_folder_that_is_not_there_says_so(tmp_path):
    with pytest.raises((StorageError, ArtefactError), match="missing"), RunFolder(tmp_path / "missing"):
        raise AssertionError


@pytest.mark.parametrize("status", ["created", "running"])
def test_status_of_a_run_whose_process_died_is_interrupted(status, folder):
    folder.set_status(status, epoch=3)
    found = folder.status()
    assert (found["status"], found["reason"], found["epoch"]) == ("interrupted", "the process was killed", 3)


@pytest.mark.parametrize("status", ["created", "running"])
def test_status_of_a_run_whose_process_lives_is_its_own(status, folder):
    folder.set_status(status)
    pid = hold(folder)
    try:
        assert folder.status()["status"] == status
    finally:
        kill(pid)
    assert folder.status()["status"] == "interrupted"


@pytest.mark.parametrize("status", ["done", "failed", "diverged", "oom", "interrupted"])
def test_status_that_is_final_stays(status, folder):
    folder.set_status(status, reason="because")
    assert folder.status()["status"] == status
    assert folder.status()["reason"] == "because"


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "{}", '{"status": 1}', '{"status": "unheard of"}', '{"status": ["done"]}']
)
def test_status_that_is_none_is_refused(text, folder):
    (folder.path / layout.STATUS).write_text(text)
    with pytest.raises(ArtefactError, match=layout.STATUS):
        folder.status()


def test_status_of_a_folder_without_one_is_refused(tmp_path):
    with pytest.raises(ArtefactError, match="missing"):
        RunFolder(tmp_path).status()


def test_run_folders_lists_runs_alone_oldest_first(tmp_path):
    for name in ("20250102-000000-b", "20250101-000000-a", "not-yet", "file"):
        (tmp_path / name).mkdir()
    for name in ("20250102-000000-b", "20250101-000000-a"):
        (tmp_path / name / layout.CONFIG).touch()
    (tmp_path / "plain.txt").touch()
    assert [path.name for path in run_folders(tmp_path)] == ["20250101-000000-a", "20250102-000000-b"]
    assert run_folders(tmp_path / "missing") == []
    assert run_folders(tmp_path / "plain.txt") == []
