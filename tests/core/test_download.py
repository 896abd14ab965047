"""Downloads: whole or absent, once for several processes, whatever ended the one before."""

import multiprocessing
import socket
import time

import pytest

from dlx.core.download import CONNECT_SECONDS, fetch


def names(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*")
                  if path.is_file() and path.suffix != ".lock")


def test_download_puts_files_in_place_and_keeps_no_archives(tmp_path):
    def download(folder):
        (folder / "deep" / "er").mkdir(parents=True)
        for name in ("one.bin", "deep/two.bin", "deep/er/three", "all.tar.gz", "deep/all.zip", "x.tgz"):
            (folder / name).write_text(name)

    root = tmp_path / "new" / "data"
    fetch(root, "set", lambda: False, download)
    assert names(root) == ["deep/er/three", "deep/two.bin", "one.bin"]
    assert (root / "deep/two.bin").read_text() == "deep/two.bin"


def test_download_replaces_only_what_it_brings(tmp_path):
    (tmp_path / "kept").write_text("mine")
    (tmp_path / "old").write_text("old")
    fetch(tmp_path, "set", lambda: False, lambda folder: (folder / "old").write_text("new"))
    assert ((tmp_path / "kept").read_text(), (tmp_path / "old").read_text()) == ("mine", "new")


def test_download_that_is_not_needed_is_not_made(tmp_path):
    fetch(tmp_path, "set", lambda: True, lambda folder: pytest.fail("downloaded"))
    assert names(tmp_path) == []


@pytest.mark.parametrize("error", [OSError("no network"), RuntimeError("wrong MD5"), KeyboardInterrupt()])
def test_download_that_fails_leaves_nothing_behind(tmp_path, error):
    def download(folder):
        (folder / "half").write_text("ha")
        raise error

    with pytest.raises(type(error)):
        fetch(tmp_path, "set", lambda: False, download)
    assert names(tmp_path) == []
    fetch(tmp_path, "set", lambda: False, lambda folder: (folder / "whole").write_text("whole"))
    assert names(tmp_path) == ["whole"]


def test_download_takes_nothing_of_one_that_was_killed(tmp_path):
    (tmp_path / ".set.part").mkdir()
    (tmp_path / ".set.part" / "half").write_text("ha")
    fetch(tmp_path, "set", lambda: False, lambda folder: (folder / "whole").write_text("whole"))
    assert names(tmp_path) == ["whole"]


def test_download_waits_for_the_network_a_while_and_leaves_the_default_alone(tmp_path):
    seen = []
    before = socket.getdefaulttimeout()
    fetch(tmp_path, "set", lambda: False, lambda folder: seen.append(socket.getdefaulttimeout()))
    assert seen == [CONNECT_SECONDS]
    assert socket.getdefaulttimeout() == before


def download_slowly(folder):
    with open(folder.parent / "downloads", "a") as log:
        log.write("1")
    with open(folder / "data", "w") as file:
        for _ in range(20):
            file.write("x" * 100)
            file.flush()
            time.sleep(0.01)


def fetch_slowly(root, barrier):
    barrier.wait()
    fetch(root, "set", (root / "data").exists, download_slowly)
    assert (root / "data").stat().st_size == 2000


def test_download_is_made_once_for_several_processes(tmp_path):
    context = multiprocessing.get_context("fork")
    barrier = context.Barrier(4)
    processes = [context.Process(target=fetch_slowly, args=(tmp_path, barrier)) for _ in range(4)]
    for process in processes:
        process.start()
    sizes = set()
    while any(process.is_alive() for process in processes):
        # Whoever sees the file sees the whole of it.
        sizes |= {(tmp_path / "data").stat().st_size} if (tmp_path / "data").exists() else set()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0, 0, 0]
    assert (tmp_path / "downloads").read_text() == "1"
    assert sizes <= {2000}
