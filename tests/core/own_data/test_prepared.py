"""The prepared cache: made once, made again where content changed or a copy is damaged, and safe among processes."""

import contextlib
import logging
import os
import resource
import subprocess
import sys
import tarfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from preparing import digest, recipe

from dlx.core.errors import ConfigError, StorageError
from dlx.core.own_data import file_tree
from dlx.core.own_data.prepared import INDEX, cache_folder, prepared
from dlx.core.own_data.prepared_copies import copies, remove

SCRIPT = Path(__file__).with_name("preparing.py")


@dataclass
class Count:
    """How often something was made."""

    times: list[int] = field(default_factory=list)

    def __call__(self):
        self.times.append(1)

    def __int__(self):
        return len(self.times)


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """A cache of the test's own; time stamps count at once."""
    monkeypatch.setenv("DLX_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(file_tree, "SETTLED_SECONDS", 0.0)
    return tmp_path / "cache" / "prepared"


@pytest.fixture
def source(tmp_path):
    folder = tmp_path / "source"
    for name in ("a", "b"):
        (folder / name).mkdir(parents=True)
        for number in range(5):
            (folder / name / f"{number}.bin").write_bytes(f"{name}{number}".encode() * 1000)
    time.sleep(0.02)  # until their time stamps are in the past
    return folder


def whole(folder):
    return digest(np.frombuffer(b"".join(path.read_bytes() for path in sorted(folder.rglob("*.bin"))), np.uint8))


def left(cache):
    """What is in a cache besides copies and what is remembered of paths."""
    return [path.name for path in cache.iterdir() if path.name.startswith(".")]


def test_prepared_copy_is_made_once_and_read_from_the_disk_again(cache, source):
    made = Count()
    first, second = (prepared([source], recipe(made=made)) for _ in range(2))
    assert int(made) == 1
    assert isinstance(second.arrays["values"], np.memmap)
    assert not second.arrays["values"].flags.writeable
    assert digest(first.arrays["values"]) == digest(second.arrays["values"]) == whole(source)
    assert second.facts == {"count": 10}
    assert second.listings[0].files[:2] == ("a/0.bin", "a/1.bin")
    assert second.listings[0].folders == ("a", "b")
    assert left(cache) == []


def test_prepared_unchanged_files_are_not_read_again(cache, source, monkeypatch):
    prepared([source], recipe())
    monkeypatch.setattr(file_tree, "_file_digest", lambda path: pytest.fail(f"{path} is read again"))
    prepared([source], recipe())


def test_prepared_files_with_new_time_stamps_are_read_but_not_made_again(cache, source):
    made = Count()
    prepared([source], recipe(made=made))
    for path in source.rglob("*.bin"):
        os.utime(path)
    prepared([source], recipe(made=made))
    assert int(made) == 1


def changed_byte(source):
    (source / "a/0.bin").write_bytes(b"X" + (source / "a/0.bin").read_bytes()[1:])


def changed_byte_under_the_old_time(source):
    path = source / "a/0.bin"
    before = path.stat()
    changed_byte(source)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


@pytest.mark.parametrize("change", [
    changed_byte, changed_byte_under_the_old_time, lambda source: (source / "a/0.bin").unlink(),
    lambda source: (source / "a/0.bin").rename(source / "b/x.bin"), lambda source: (source / "c").mkdir(),
    lambda source: (source / "b/x.bin").write_bytes(b"new")])
def test_prepared_changed_content_is_made_again(cache, source, change):
    made = Count()
    prepared([source], recipe(made=made))
    change(source)
    found = prepared([source], recipe(made=made))
    assert int(made) == 2
    assert digest(found.arrays["values"]) == digest(np.frombuffer(b"".join(
        (source / name).read_bytes() for name in found.listings[0].files), np.uint8))


def test_prepared_files_written_a_moment_ago_are_read_again(cache, source, monkeypatch):
    monkeypatch.setattr(file_tree, "SETTLED_SECONDS", 60.0)
    prepared([source], recipe())
    assert not (cache / INDEX).exists()


def test_prepared_another_transform_is_another_copy(cache, source):
    made = Count()
    one = recipe(made=made)
    prepared([source], one)
    prepared([source], one._replace(transform={"version": 2}))
    prepared([source], one._replace(dataset="other"))
    assert int(made) == 3
    assert len(copies()) == 3


def test_prepared_same_content_elsewhere_is_the_same_copy(cache, source, tmp_path):
    made = Count()
    prepared([source], recipe(made=made))
    source.rename(tmp_path / "elsewhere")
    prepared([tmp_path / "elsewhere"], recipe(made=made))
    assert int(made) == 1


def cut(path):
    path.write_bytes(path.read_bytes()[:-1])


def flip(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 4
    path.write_bytes(data)


@pytest.mark.parametrize("name", ["values.npy", "facts.json"])
@pytest.mark.parametrize("damage", [cut, flip, Path.unlink, lambda path: path.write_bytes(b"")])
def test_prepared_damaged_copy_is_made_again(cache, source, name, damage, caplog):
    made = Count()
    prepared([source], recipe(made=made))
    damage(copies()[0].folder / name)
    with caplog.at_level(logging.WARNING):
        assert digest(prepared([source], recipe(made=made)).arrays["values"]) == whole(source)
    assert int(made) == 2
    assert "is damaged; it is made again" in caplog.text
    assert len(copies()) == 1
    assert left(cache) == []


def test_prepared_damaged_memory_of_paths_costs_a_reading_alone(cache, source):
    made = Count()
    prepared([source], recipe(made=made))
    (path,) = (cache / INDEX).iterdir()
    for text in ("", "[]", "{", '{"path": 1}'):
        path.write_text(text)
        assert digest(prepared([source], recipe(made=made)).arrays["values"]) == whole(source)
    assert int(made) == 1


def test_prepared_failure_leaves_nothing(cache, source):
    def make(files, folder):
        (folder / "values.npy").write_bytes(b"half")
        raise ConfigError("the last file is bad")

    with pytest.raises(ConfigError, match="the last file is bad"):
        prepared([source], recipe()._replace(make=make))
    assert [path for path in cache.rglob("*") if path.is_file()] == []
    assert copies() == []
    assert left(cache) == []


def test_prepared_files_that_change_meanwhile_are_refused(cache, source):
    def make(files, folder):
        np.save(folder / "values.npy", np.zeros(3))
        (source / "a/0.bin").write_bytes(b"another")
        return {}

    with pytest.raises(ConfigError, match=r"source changed while it was read; start again"):
        prepared([source], recipe()._replace(make=make))
    assert copies() == []
    assert left(cache) == []


def test_prepared_cache_that_cannot_be_written_is_a_storage_error(source, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("DLX_CACHE_DIR", str(tmp_path / "file"))
    with pytest.raises(StorageError, match="set DLX_CACHE_DIR to another folder"):
        prepared([source], recipe())


def test_prepared_tar_is_known_by_its_bytes(cache, source, tmp_path):
    path, made = tmp_path / "a.tar", Count()
    with tarfile.open(path, "w") as file:
        file.add(source, ".")
    for _ in range(2):
        assert digest(prepared([path], recipe(made=made)).arrays["values"]) == whole(source)
    assert int(made) == 1


@pytest.fixture
def started():
    """Start processes that prepare a folder; those that are left are killed."""
    with contextlib.ExitStack() as stack:

        def start(source, seconds):
            process = stack.enter_context(subprocess.Popen([sys.executable, str(SCRIPT), str(source), str(seconds)],
                                                           text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE))
            stack.callback(process.kill)
            return process

        yield start


def test_prepared_two_processes_make_one_copy(cache, source, started):
    processes = [started(source, 0.03) for _ in range(3)]
    outputs = [process.communicate(timeout=60) for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0]
    assert sorted(out.split() for out, _ in outputs) == sorted([[whole(source)], [whole(source)],
                                                               ["started", whole(source)]])
    assert any("another process is at work" in error for _, error in outputs)
    assert len(copies()) == 1
    assert left(cache) == []


def test_prepared_process_killed_in_the_middle_is_followed_by_the_one_that_waits(cache, source, started):
    first = started(source, 5)
    assert first.stdout.readline() == "started\n"
    second = started(source, 0)
    for line in second.stderr:
        if "waiting for it" in line:
            break
    assert copies() == []
    first.kill()
    out, _ = second.communicate(timeout=60)
    assert out.split() == ["started", whole(source)]
    first.communicate()
    assert len(copies()) == 1
    assert left(cache) == []


def test_prepared_leftovers_of_a_killed_process_are_removed_by_the_next(cache, source, tmp_path, started):
    process = started(source, 5)
    assert process.stdout.readline() == "started\n"
    process.kill()
    process.communicate()
    assert any(name.endswith(".tmp") for name in left(cache))
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "x.bin").write_bytes(b"x")
    prepared([tmp_path / "other"], recipe())
    assert [name for name in left(cache) if name.endswith(".tmp")] == []
    assert digest(prepared([source], recipe()).arrays["values"]) == whole(source)


def test_prepared_threads_make_one_copy(cache, source):
    made = Count()
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: digest(prepared([source], recipe(0.01, made)).arrays["values"]), range(8)))
    assert set(found) == {whole(source)}
    assert int(made) == 1


def test_prepared_copies_are_removed_and_what_is_open_stays(cache, source):
    found = prepared([source], recipe())
    removal = remove()
    assert [copy.paths for copy in removal.removed] == [(str(source),)]
    assert removal.removed[0].num_bytes > 10_000
    assert digest(found.arrays["values"]) == whole(source)
    assert [path for path in cache.rglob("*") if path.is_file()] == []
    assert cache_folder() == cache


def test_prepared_copies_that_are_being_made_are_not_removed(cache, source, started):
    process = started(source, 0.1)
    assert process.stdout.readline() == "started\n"
    removal = remove()
    assert (removal.removed, removal.abandoned) == ([], [])
    out, _ = process.communicate(timeout=60)
    assert out.split() == [whole(source)]


def test_prepared_removal_touches_nothing_but_copies(cache, source):
    prepared([source], recipe())
    for name in ("mine", "a" * 64 + "x", "facts.json"):
        (cache / name).write_text("mine")
    (cache / "folder").mkdir()
    remove()
    assert sorted(path.name for path in cache.iterdir()) == sorted(["mine", "a" * 64 + "x", "facts.json", "folder",
                                                                    INDEX])


def test_prepared_full_disk_leaves_nothing_and_says_what_to_do(cache, source):
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (5000, limits[1]))
    try:
        with pytest.raises(StorageError, match="File too large; free space, or set DLX_CACHE_DIR"):
            prepared([source], recipe())
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert copies() == []
    assert left(cache) == []
    assert digest(prepared([source], recipe()).arrays["values"]) == whole(source)
