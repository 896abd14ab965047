"""Places and terminals that are not as usual: paths with brackets or bytes, no home, nobody who listens."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
from run_files import find_run, once
from warm_dlx import server

from dlx.record import layout

SMALL = ["model.width=8", "epochs=1", "metric=[accuracy]"]
# rich takes [bold] in what it prints for a style, and [/x] for the end of one.
PLACES = ["a b", "a[bold]b", "a[/b]", "é日😀", "-x", "a'b\"c\\d"]


def make_run(cwd):
    assert server().run("train", *SMALL, "--json", cwd=cwd).code == 0


@pytest.mark.parametrize("place", PLACES)
def test_commands_work_in_a_folder_with_an_odd_name_and_say_it_right(place, tmp_path, tmp_path_factory):
    source = once(tmp_path_factory.getbasetemp(), "odd", make_run)
    shutil.copytree(source / "runs", tmp_path / place / "runs")
    run = find_run(tmp_path / place)
    (run / layout.STATUS).write_text(json.dumps({"status": "running", "epoch": 0, "pid": 1, "time": 0.0}))
    result = server().run("resume", str(run), cwd=tmp_path)
    assert result.code == 0, result.err[-1000:]
    assert str(run) in result.out.replace("\n", "")
    for arguments in (["report", str(run)], ["evaluate", str(run)], ["runs", str(run.parent)]):
        result = server().run(*arguments, cwd=tmp_path)
        assert result.code == 0, result.err[-1000:]
    assert (
        server().run("evaluate", str(run / "none"), cwd=tmp_path).err.startswith(f"dlx: {run / 'none'} does not exist")
    )


@pytest.mark.parametrize("name", ["a[/b]", "a[bold]b", "a b", "é"])
def test_train_takes_a_runs_dir_with_an_odd_name(name, tmp_path):
    result = server().run("train", *SMALL, f"runs_dir='{name}'", cwd=tmp_path)
    assert result.code == 0, result.err[-1000:]
    assert len([path for path in (tmp_path / name).iterdir() if path.is_dir()]) == 1
    assert f"{name}/" in result.err


@pytest.mark.parametrize(
    "arguments",
    [["train", *SMALL], ["train", *SMALL, "--json"], ["runs"], ["list"], ["show"], ["-h"]],
    ids=["train", "train as JSON", "runs", "list", "show", "help"],
)
def test_output_onto_a_full_disk_is_said_in_one_message(arguments, tmp_path):
    result = server().run(*arguments, cwd=tmp_path, out="/dev/full")
    assert "Traceback" not in result.err, result.err[-1000:]
    assert result.code == 4, result
    if arguments[0] == "train":
        assert json.loads((find_run(tmp_path) / layout.STATUS).read_text())["status"] == "done"


@pytest.mark.parametrize(
    "arguments", [["train", *SMALL], ["show"], ["list"], ["runs"]], ids=lambda arguments: arguments[0]
)
def test_reader_that_goes_away_does_not_make_a_failure(arguments, tmp_path):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    child = server().start(*arguments, cwd=tmp_path, out=str(path))
    while not Path(f"/proc/{child.pid}/fd/1").exists() or os.readlink(f"/proc/{child.pid}/fd/1") != str(path):
        assert child.poll() is None, child.result
    os.close(reader)
    result = child.wait()
    assert "Traceback" not in result.err, result.err[-1000:]
    assert result.code == 0, result


def test_train_as_a_user_without_a_home_or_a_name_works(tmp_path):
    # As in a container whose user id is any number.
    if os.getuid() != 0:
        pytest.skip("only root can become another user")
    cwd = tmp_path / "cwd"
    cwd.mkdir()
    os.chmod(cwd, 0o777)
    for parent in cwd.parents:
        if not parent.stat().st_mode & 0o001:
            os.chmod(parent, parent.stat().st_mode | 0o001)
    nothing = {"HOME": None, "USER": None, "LOGNAME": None, "DLX_DATA_DIR": None, "XDG_CACHE_HOME": None}
    result = server().run("train", *SMALL, cwd=cwd, uid=12345, env=nothing)
    assert result.code == 0, result.err[-1000:]
