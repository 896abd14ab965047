"""Replacing files: the old bytes or the new, never a mixture, and nothing left beside them."""

from __future__ import annotations

import errno
import json
import os
import random
import resource
import signal
import time
from pathlib import Path

import pytest

from dlx.core.errors import StorageError
from dlx.record import atomic

SIZE = 200_000


def in_child(work):
    """Run a function in a forked process; return its pid."""
    pid = os.fork()
    if pid == 0:
        try:
            work()
        finally:
            os._exit(0)
    return pid


def replace_for_ever(path):
    number = 0
    while True:
        number += 1
        atomic.write_bytes(path, bytes([number % 256]) * (SIZE + number % 7))


def assert_one_version(data):
    assert len(data) >= SIZE
    assert data == data[:1] * len(data)


def test_write_bytes_shows_readers_the_old_bytes_or_the_new(tmp_path):
    path = tmp_path / "file"
    atomic.write_bytes(path, b"\0" * SIZE)
    pid = in_child(lambda: replace_for_ever(path))
    try:
        seen, end = set(), time.monotonic() + 0.5
        while time.monotonic() < end:
            data = path.read_bytes()
            assert_one_version(data)
            seen.add(data[0])
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    assert len(seen) > 3


def test_write_bytes_killed_at_any_instant_leaves_one_version(tmp_path):
    rng, path, torn = random.Random(0), tmp_path / "file", 0
    atomic.write_bytes(path, b"\0" * SIZE)
    for attempt in range(600):
        # At least 30 kills, and as many more as it takes on a busy machine until one met a write.
        if attempt >= 30 and torn > 0:
            break
        pid = in_child(lambda: replace_for_ever(path))
        time.sleep(rng.uniform(0, 0.02 + attempt * 0.0005))
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        assert_one_version(path.read_bytes())
        torn += len(list(tmp_path.glob(".*.tmp")))
        for leftover in tmp_path.glob(".*.tmp"):
            leftover.unlink()
    assert torn > 0, "no kill met a write"


def test_write_bytes_keeps_the_old_file_where_there_is_no_space(tmp_path):
    path = tmp_path / "file"
    atomic.write_bytes(path, b"old")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    previous = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with pytest.raises(
            StorageError, match=r"cannot write .*/file: File too large; free space, then dlx resume"
        ):
            atomic.write_bytes(path, b"x" * 2000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, previous)
    assert path.read_bytes() == b"old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file"]


@pytest.mark.parametrize("name", ["missing/file", "file/file", "n" * 250])
def test_write_bytes_says_which_file_cannot_be_written(name, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match=f"cannot write {tmp_path / name}: "):
        atomic.write_bytes(tmp_path / name, b"x")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file"]


def test_write_bytes_onto_a_folder_leaves_no_temporary_file(tmp_path):
    (tmp_path / "folder").mkdir()
    with pytest.raises(StorageError):
        atomic.write_bytes(tmp_path / "folder", b"x")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder"]


def test_write_bytes_makes_files_that_others_may_read_as_they_may_other_files(tmp_path):
    before = os.umask(0o027)
    try:
        atomic.write_bytes(tmp_path / "file", b"x")
    finally:
        os.umask(before)
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o640


def test_write_bytes_does_not_follow_a_link_that_lies_in_its_way(tmp_path):
    # Whoever made a run folder may have put links under the names that are written to.
    victim, path = tmp_path / "victim", tmp_path / "file"
    victim.write_bytes(b"precious")
    path.symlink_to(victim)
    for name in (f".file.{os.getpid()}.tmp", ".file.tmp"):
        (tmp_path / name).symlink_to(victim)
    atomic.write_bytes(path, b"new")
    assert victim.read_bytes() == b"precious"
    assert path.read_bytes() == b"new"
    assert not path.is_symlink()


def test_write_text_is_utf8(tmp_path):
    atomic.write_text(tmp_path / "file", "é→😀\n")
    assert (tmp_path / "file").read_bytes() == "é→😀\n".encode()


def test_write_text_of_what_is_no_text_leaves_the_old_file(tmp_path):
    # What the shell passes as arguments may hold bytes that are no UTF-8.
    atomic.write_text(tmp_path / "file", "old")
    with pytest.raises((StorageError, UnicodeEncodeError)):
        atomic.write_text(tmp_path / "file", "\udcff")
    assert (tmp_path / "file").read_text() == "old"


def test_write_json_keeps_the_order_of_keys_and_every_bit_of_a_float(tmp_path):
    value = {"b": 0.1 + 0.2, "a": [1, None, True], "é": "→"}
    atomic.write_json(tmp_path / "file", value)
    text = (tmp_path / "file").read_text()
    assert list(json.loads(text)) == ["b", "a", "é"]
    assert json.loads(text) == value
    assert "→" in text
    assert text.endswith("}\n")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {"a": [float("-inf")]}])
def test_write_json_refuses_what_is_no_json_and_keeps_the_old_file(value, tmp_path):
    atomic.write_json(tmp_path / "file", {"a": 1})
    with pytest.raises(ValueError, match="JSON"):
        atomic.write_json(tmp_path / "file", value)
    assert json.loads((tmp_path / "file").read_text()) == {"a": 1}


@pytest.mark.parametrize(("number", "advice"), [
    (errno.ENOSPC, "free space, then dlx resume"), (errno.EROFS, "make it writable, then dlx resume"),
    (errno.ENOTDIR, "move away what is there, then dlx resume")])
def test_storage_errors_say_what_helps(number, advice):
    with pytest.raises(StorageError, match=f"cannot write there: .*; {advice}"), atomic.storage_errors(Path("there")):
        raise OSError(number, os.strerror(number))
