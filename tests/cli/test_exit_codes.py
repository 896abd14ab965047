"""The exit codes that are not of validation (tests/config), sweeps (tests/sweep) or signals (tests/reliability)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cli_runs import QUICK
from conftest import only_run
from user_parts import LATE, write_late_loss

DIVERGING = ("dataset=diabetes", "optimizer=sgd", "optimizer.lr=1e30", "epochs=3")
DIVERGED = ("training diverged: the loss of step 1 was not finite, at lr 1e+30; try a smaller optimizer.lr, "
            "a schedule with a warmup or regularizer=gradient_clip")


def test_diverged_run_exits_with_1_and_says_where(dlx):
    result = dlx("train", *DIVERGING, "--json")
    assert (result.code, result.out, result.err) == (1, "", f"dlx: {DIVERGED}\n")
    status = json.loads((only_run() / "status.json").read_text())
    assert {key: status[key] for key in ("status", "step", "lr", "reason")} == {
        "status": "diverged", "step": 1, "lr": 1e30, "reason": DIVERGED}
    assert not (only_run() / "summary.json").exists()
    assert "diverged" in (only_run() / "report/report.md").read_text()


def test_diverged_run_is_listed_reported_and_not_resumed(dlx):
    assert dlx("train", *DIVERGING, "--json").code == 1
    run = str(only_run())
    row, = json.loads(dlx("runs", "--json").out)
    assert (row["status"], row["reason"]) == ("diverged", DIVERGED)
    assert dlx("report", run).code == 0
    resumed = dlx("resume", run)
    assert (resumed.code, resumed.err) == (2, f"dlx: {run} diverged and cannot go on: {DIVERGED}\n")
    measured = dlx("evaluate", run)
    assert measured.code == 3
    assert "dlx resume" not in measured.err


def test_run_that_diverges_late_keeps_its_best_weights(dlx):
    # With momentum the loss grows for some epochs before it overflows.
    result = dlx("train", "dataset=diabetes", "model=linear", "optimizer=sgd", "optimizer.lr=3", "batch_size=400",
                 "epochs=500", "--json")
    assert result.code == 1
    facts = json.loads(result.out)
    assert facts["status"] == "diverged"
    assert facts["epochs_run"] >= 1
    assert dlx("evaluate", str(only_run())).code == 0
    assert not (only_run() / "checkpoints/last.safetensors").exists()


def test_crash_in_a_process_exits_with_1_and_shows_where(dlx_process, workdir):
    (workdir / "crashing_parts.py").write_text(
        "class Broken:\n    kinds = ('classification',)\n\n    def __call__(self, outputs, targets):\n"
        "        raise ZeroDivisionError('on purpose')\n")
    (workdir / "mine/loss").mkdir(parents=True)
    (workdir / "mine/loss/broken.yaml").write_text("_target_: crashing_parts.Broken\n")
    result = dlx_process("train", "--config-dir", "mine", *QUICK, "loss=broken", "--json")
    assert (result.code, result.out) == (1, "")
    assert "ZeroDivisionError: on purpose" in result.err
    status = json.loads((only_run() / "status.json").read_text())
    assert (status["status"], status["reason"]) == ("failed", "ZeroDivisionError: on purpose")
    assert "ZeroDivisionError: on purpose" in (only_run() / "dlx.log").read_text()


@pytest.mark.parametrize("runs_dir", ["file", "file/below", "/proc/dlx"])
def test_runs_dir_that_cannot_be_written_exits_with_4(dlx, runs_dir):
    Path("file").touch()
    result = dlx("train", *QUICK, f"runs_dir={runs_dir}")
    assert (result.code, result.out) == (4, "")
    assert result.err.startswith(f"dlx: cannot write {runs_dir}: ")


def test_run_that_never_began_is_not_to_be_resumed(dlx):
    Path("file").touch()
    assert "dlx resume" not in dlx("train", *QUICK, "runs_dir=file").err


def test_absent_data_that_may_not_be_downloaded_exits_with_4(dlx, workdir):
    result = dlx("train", "dataset=mnist", "dataset.download=false", f"data_dir={workdir}/none")
    assert result.code == 4
    message = (f"MNIST is not in {workdir}/none/MNIST/raw and dataset.download is false; set data_dir or DLX_DATA_DIR "
               f"to the folder that holds MNIST/raw")
    assert result.err.endswith(f"dlx: {message}\n")
    assert list(workdir.iterdir()) == []


def test_data_dir_of_the_environment_is_used(dlx, workdir, monkeypatch):
    monkeypatch.setenv("DLX_DATA_DIR", f"{workdir}/from_environment")
    result = dlx("train", "dataset=mnist", "dataset.download=false", "--json")
    assert result.code == 4
    assert f"MNIST is not in {workdir}/from_environment/MNIST/raw" in result.err


def test_failed_run_goes_on_when_its_cause_is_gone(dlx, workdir):
    write_late_loss(workdir)
    result = dlx("train", *LATE, *QUICK, "--json")
    assert (result.code, result.err) == (4, "dlx: late is not here\n")
    (workdir / "late").touch()
    resumed = dlx("resume", str(only_run()), "--trust", "late_parts", "--json")
    assert (resumed.code, resumed.err) == (0, "")
    assert json.loads(resumed.out)["status"] == "done"
