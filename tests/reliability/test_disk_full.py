"""A disk without space, a folder without permission: exit code 4, one message, and nothing that stood there is lost."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from run_files import assert_same_result, find_run, leftovers, once, whole_rows
from warm_dlx import NOBODY, server

from dlx.record import checkpoint, layout

# 1.5 MB a checkpoint, of which the rolling ones, best and last each want a place.
OVERRIDES = [
    "model.width=256",
    "model.depth=2",
    "batch_size=64",
    "epochs=5",
    "metric=[accuracy]",
    "checkpoint_seconds=0.01",
]
LONG = ["model.width=8", "batch_size=1078", "epochs=400", "metric=[accuracy]", "checkpoint_seconds=1000"]


def mount(folder: Path, *options: str) -> None:
    subprocess.run(["mount", *options, str(folder)], check=True, capture_output=True)


@pytest.fixture
def disk(tmp_path):
    """A small file system; `mount` changes its size."""
    folder = tmp_path / "disk"
    folder.mkdir()
    try:
        mount(folder, "-t", "tmpfs", "-o", "size=64m,mode=777", "tmpfs")
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"a tmpfs cannot be mounted here: {error}")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def make_reference(cwd):
    assert server().run("train", *OVERRIDES, "--json", cwd=cwd).code == 0


def make_long_reference(cwd):
    assert server().run("train", *LONG, "--json", cwd=cwd).code == 0


@pytest.fixture
def reference(tmp_path_factory):
    return find_run(once(tmp_path_factory.getbasetemp(), "disk-full", make_reference))


@pytest.fixture
def long_reference(tmp_path_factory):
    return find_run(once(tmp_path_factory.getbasetemp(), "disk-full-long", make_long_reference))


def assert_full(result):
    """Exit code 4 and one message that names a way out."""
    assert "Traceback" not in result.out + result.err, result.err[-1500:]
    assert "Logging error" not in result.err, result.err[-1500:]
    assert result.code == 4, result
    assert result.err.count("dlx: ") == 1, result.err
    assert "No space left on device" in result.err


def assert_intact(run):
    """What stands under its final name is whole."""
    if (run / layout.METRICS).is_file():
        whole_rows((run / layout.METRICS).read_bytes())
    for path in (run / layout.CHECKPOINTS).glob("[a-z]*.safetensors"):
        checkpoint.load(path)
    json.loads((run / layout.STATUS).read_text())
    assert leftovers(run) == []


def fill(folder: Path) -> Path:
    """Take every byte that is free."""
    path = folder / "filler"
    with open(path, "ab", buffering=0) as file:
        for size in (2**16, 1):
            try:
                while True:
                    file.write(b"x" * size)
            except OSError:
                continue
    return path


@pytest.mark.parametrize("kilobytes", [0, 100, 2300, 4500], ids=lambda size: f"{size}kB")
def test_train_on_a_disk_that_fills_up_keeps_what_it_has_and_resumes_exactly(kilobytes, disk, reference):
    mount(disk, "-o", f"remount,size={max(4, kilobytes)}k")
    result = server().run("train", *OVERRIDES, "--json", cwd=disk)
    assert_full(result)
    run = find_run(disk)
    mount(disk, "-o", "remount,size=64m")
    if run is None:
        result = server().run("train", *OVERRIDES, "--json", cwd=disk, env={})
    else:
        assert_intact(run)
        result = server().run("resume", str(run), "--json", cwd=disk)
    assert result.code == 0, result
    runs = [path for path in disk.glob("runs/*") if (path / layout.CONFIG).exists()]
    assert_same_result(runs[-1], reference)


def test_resume_on_a_full_disk_says_so_and_loses_nothing(disk, reference):
    child = server().start("train", *OVERRIDES, "--json", cwd=disk)
    while (run := find_run(disk)) is None or len(list((run / layout.CHECKPOINTS).glob("step-*"))) < 2:
        assert child.poll(0.001) is None, child.result
    child.kill()
    for path in (run / layout.CHECKPOINTS).glob(".*.tmp"):
        path.unlink()
    before = {path: path.read_bytes() for path in (run / layout.CHECKPOINTS).iterdir()}
    filler = fill(disk)
    assert_full(server().run("resume", str(run), "--json", cwd=disk))
    assert_intact(run)
    assert {path: path.read_bytes() for path in before} == before
    filler.unlink()
    assert server().run("resume", str(run), "--json", cwd=disk).code == 0
    assert_same_result(run, reference)


def test_metrics_on_a_disk_that_fills_up_have_whole_rows_alone(disk, long_reference):
    child = server().start("train", *LONG, "--json", cwd=disk)
    while (
        (run := find_run(disk)) is None
        or not (run / layout.METRICS).is_file()
        or (run / layout.METRICS).stat().st_size < 5000
    ):
        assert child.poll(0.001) is None, child.result
    filler = fill(disk)
    assert_full(child.wait())
    assert len(whole_rows((run / layout.METRICS).read_bytes())) > 0
    assert_intact(run)
    filler.unlink()
    assert server().run("resume", str(run), "--json", cwd=disk).code == 0
    assert_same_result(run, long_reference)


def test_report_on_a_full_disk_keeps_the_report_that_stands(disk, reference):
    shutil.copytree(reference, disk / "run")
    report = disk / "run" / layout.REPORT
    before = {path: path.read_bytes() for path in report.rglob("*") if path.is_file()}
    fill(disk)
    assert_full(server().run("report", str(disk / "run"), cwd=disk))
    assert {path: path.read_bytes() for path in report.rglob("*") if path.is_file()} == before


def test_sweep_on_a_full_disk_answers_without_a_traceback(disk):
    fill(disk)
    result = server().run("sweep", "seed=0,1", "epochs=1", "--json", cwd=disk)
    assert_full(result)


def test_sweep_on_a_disk_that_fills_up_answers_without_a_traceback(disk):
    child = server().start(
        "sweep",
        "seed=0,1",
        "model.width=512",
        "model.depth=3",
        "epochs=8",
        "metric=[accuracy]",
        "checkpoint_seconds=0.05",
        "workers=1",
        cwd=disk,
    )
    while not list(disk.glob(f"runs/*/{layout.RUNS}/*/{layout.CHECKPOINTS}/step-*")):
        assert child.poll(0.005) is None, child.result
    filler = fill(disk)
    result = child.wait()
    assert "Traceback" not in result.out + result.err, result.err[-2000:]
    assert result.code in (4, 5), result
    assert "No space left" in result.err
    filler.unlink()
    sweep = next(disk.glob(f"runs/*/{layout.SWEEP}")).parent
    assert server().run("resume", str(sweep), "--json", cwd=disk).code == 0


def assert_refused(result):
    assert "Traceback" not in result.out + result.err, result.err[-1500:]
    assert result.code == 4, result
    assert result.err.count("dlx: ") == 1


def as_nobody(*arguments, cwd):
    if os.getuid() != 0:
        pytest.skip("only root can become another user")
    os.chmod(cwd, 0o755)
    for parent in cwd.parents:
        if not parent.stat().st_mode & 0o001:
            os.chmod(parent, parent.stat().st_mode | 0o001)
    return server().run(*arguments, cwd=cwd, uid=NOBODY)


def test_train_into_a_folder_without_permission_is_refused(tmp_path):
    result = as_nobody("train", "epochs=1", cwd=tmp_path)
    assert_refused(result)
    assert "Permission denied" in result.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "command",
    [
        ["train", "epochs=1", "runs_dir=file"],
        ["train", "epochs=1", "runs_dir=file/runs"],
        ["train", "epochs=1", "runs_dir=loop"],
        ["train", "epochs=1", f"runs_dir={'x' * 300}"],
        ["train", "epochs=1", "runs_dir=/proc/runs"],
    ],
    ids=["a file", "below a file", "a link to itself", "too long a name", "proc"],
)
def test_train_into_what_is_no_folder_is_refused(command, tmp_path):
    (tmp_path / "file").touch()
    (tmp_path / "loop").symlink_to("loop")
    assert_refused(server().run(*command, cwd=tmp_path))


def test_train_onto_a_read_only_file_system_is_refused(disk):
    mount(disk, "-o", "remount,ro")
    result = server().run("train", "epochs=1", cwd=disk)
    assert_refused(result)
    assert "Read-only file system" in result.err


@pytest.fixture
def killed(tmp_path, reference):
    """Another's run, that was killed."""
    shutil.copytree(reference, tmp_path / "runs" / "run")
    run = tmp_path / "runs" / "run"
    (run / layout.STATUS).write_text(json.dumps({"status": "running", "epoch": 0, "pid": 1, "time": 0.0}))
    return run


@pytest.mark.parametrize("command", ["resume", "report"])
def test_command_on_a_run_that_cannot_be_written_is_refused(command, killed, tmp_path):
    assert_refused(as_nobody(command, str(killed), cwd=tmp_path))


UNREADABLE = {
    "resume": [".", layout.CONFIG, layout.CHECKPOINTS, layout.STATUS, layout.LOCK, layout.SUMMARY],
    "report": [".", layout.CONFIG, layout.STATUS, layout.SUMMARY],
    "evaluate": [".", layout.CHECKPOINTS, f"{layout.CHECKPOINTS}/{layout.BEST}"],
}


@pytest.mark.parametrize(("command", "hidden"), [(name, path) for name, paths in UNREADABLE.items() for path in paths])
def test_command_on_a_run_that_cannot_be_read_answers_without_a_traceback(hidden, command, killed, tmp_path):
    os.chmod(killed / hidden, 0)
    result = as_nobody(command, str(killed), cwd=tmp_path)
    os.chmod(killed / hidden, 0o755)
    assert "Traceback" not in result.out + result.err, result.err[-1500:]
    assert result.code in ((0, 3, 4) if command == "evaluate" else (3, 4)), result


@pytest.mark.parametrize("hidden", [".", layout.CONFIG, layout.STATUS, layout.SUMMARY])
def test_runs_lists_what_cannot_be_read_as_damaged_beside_the_others(hidden, killed, tmp_path):
    shutil.copytree(killed, killed.with_name("good"))
    os.chmod(killed / hidden, 0)
    result = as_nobody("runs", "--json", cwd=tmp_path)
    os.chmod(killed / hidden, 0o755)
    assert "Traceback" not in result.out + result.err, result.err[-1500:]
    assert result.code == 0, result
    rows = {row["run"]: row["status"] for row in json.loads(result.out)}
    assert rows["good"] == "interrupted"
    assert rows["run"] == ("interrupted" if hidden == layout.LOCK else "damaged")
