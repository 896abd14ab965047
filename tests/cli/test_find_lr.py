"""dlx find-lr: what it prints and writes, and that nothing else is left behind."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from conftest import only_run

from dlx.core.lr_range import Curve, suggest

QUICK = ("dataset=iris", "metric=[accuracy]", "num_steps=40", "device.threads=1")


def test_find_lr_suggests_what_its_curve_says_and_writes_nothing_else(dlx, workdir):
    result = dlx("find-lr", *QUICK, "--json")
    assert (result.code, result.err) == (0, "")
    found = json.loads(result.out)
    assert [path.name for path in workdir.iterdir()] == ["runs"]
    folder = only_run()
    assert str(folder) == found["folder"]
    assert "-find-lr-iris-mlp-" in folder.name
    with open(folder / "lr_curve.csv", newline="") as file:
        rows = [{name: float(cell) for name, cell in row.items()} for row in csv.DictReader(file)]
    curve = Curve(np.array([row["lr"] for row in rows]), np.array([row["loss"] for row in rows]))
    np.testing.assert_allclose([row["smoothed_loss"] for row in rows], curve.smoothed(), rtol=1e-6)
    assert found["suggestions"] == pytest.approx(suggest(curve)._asdict(), rel=1e-6)
    assert found["override"] == f"optimizer.lr={found['suggested']:g}"
    assert found["suggested"] == pytest.approx(found["suggestions"]["steepest"], rel=0.06)
    assert json.loads((folder / "find_lr.json").read_text())["config"]["optimizer"]["lr"] == 0.001
    assert {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()} == {
        "lr_curve.csv", "find_lr.json", "provenance.json", "report/report.html", "report/report.md",
        "report/report.json", "report/figures/learning_rates.png"}
    assert json.loads(dlx("runs", "--json").out) == []


def test_find_lr_prints_both_suggestions_and_an_override_that_train_takes(dlx, workdir):
    result = dlx("find-lr", *QUICK, "optimizer.lr=0.5", "name=mine")
    assert (result.code, result.err) == (0, "")
    assert "steepest fall of the smoothed loss" in result.out
    assert "a tenth of the rate at its minimum" in result.out
    assert "configured" in result.out
    assert "0.5" in result.out
    override = next(line.split()[1] for line in result.out.splitlines() if line.startswith("Use"))
    report = (only_run() / "report/report.md").read_text()
    assert f"dlx train dataset=iris metric=[accuracy] device.threads=1 name=mine {override}" in report
    assert dlx("validate", "dataset=iris", "metric=[accuracy]", override).code == 0


def test_find_lr_gives_the_same_bytes_twice(dlx, workdir):
    folders = [Path(json.loads(dlx("find-lr", *QUICK, "regularizer=[dropout]", "--json").out)["folder"])
               for _ in range(2)]
    assert folders[0] != folders[1]
    for name in ("lr_curve.csv", "find_lr.json", "report/report.html", "report/figures/learning_rates.png"):
        assert (folders[0] / name).read_bytes() == (folders[1] / name).read_bytes(), name


@pytest.mark.parametrize(("overrides", "message"), [
    (["start_lr=0"], "start_lr must be in (0, inf), got 0"),
    (["num_steps=3"], "num_steps must be a whole number in [10, 100000], got 3"),
    (["start_lr=1", "end_lr=0.1"], "end_lr must be above start_lr=1, got 0.1"),
    (["optimizer=lbfgs", "batch_size=2000"], "optimizer=lbfgs searches for the length of its steps by itself"),
    (["optimizer=nope"], "optimizer=nope does not exist"),
    (["device.processes=2"], "device.processes=2 is for dlx train, not for dlx find-lr"),
])
def test_find_lr_refuses_what_it_cannot_try_before_anything_is_written(dlx, workdir, overrides, message):
    result = dlx("find-lr", *overrides)
    assert (result.code, result.out) == (2, "")
    assert message in result.err
    assert list(workdir.iterdir()) == []


def test_find_lr_without_a_fall_of_the_loss_says_so_and_leaves_the_picture(dlx, workdir):
    result = dlx("find-lr", *QUICK, "optimizer=sgd", "start_lr=100", "end_lr=1e6")
    assert result.code == 1
    assert "the loss fell at no learning rate from 100 to 1e+06" in result.err
    assert (only_run() / "report/figures/learning_rates.png").is_file()


def test_train_does_not_know_the_keys_of_find_lr(dlx, workdir):
    assert "unknown key num_steps" in dlx("train", "num_steps=50").err
