"""dlx list, show, validate, runs, report, and resume of what is over: they look, and change nothing."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path

import pytest
from cli_runs import CLASSIFICATION, REGRESSION, copied, summary, trained, values

from dlx.config import options
from dlx.config.saved import config_hash
from dlx.record.folder import RunFolder
from dlx.record.safe_yaml import read_yaml

CONF = options.conf_dir()


def test_list_shows_every_group_and_option(dlx):
    expected = {folder.name: sorted(path.stem for path in folder.glob("*.yaml"))
                for folder in sorted(CONF.iterdir()) if folder.is_dir()}
    assert json.loads(dlx("list", "--json").out) == expected
    lines = dlx("list").out.splitlines()
    assert [(line.split()[0], [name.strip() for name in line.split(None, 1)[1].split(",")]) for line in lines] == [
        *expected.items()]


@pytest.mark.parametrize("group", [folder.name for folder in sorted(CONF.iterdir()) if folder.is_dir()])
def test_list_of_a_group_says_what_each_option_is(dlx, group):
    described = json.loads(dlx("list", group, "--json").out)
    assert list(described) == options.options(group, [CONF])
    text = dlx("list", group).out
    for name, facts in described.items():
        assert f"\n{name} " in f"\n{text}"
        assert facts["about"] or name == "none"
        assert "_target_" not in facts["defaults"]
        for key, value in facts["defaults"].items():
            assert f"{key}: {json.dumps(value)}" in text


def test_list_of_datasets_and_of_models_ends_with_the_keys_of_all_of_them(dlx):
    text = dlx("list", "dataset").out
    assert text.count("train_fraction: 1.0") == text.count("\nof every dataset\n") == 1
    assert text.endswith("shuffle_labels: false\n                 train_seed: \"${seed}\"\n")
    assert dlx("list", "model").out.endswith("\nof every model\n                 width_multiplier: 1.0\n"
                                             "                 depth_multiplier: 1.0\n"
                                             "                 init_from: null\n                 freeze: null\n")
    assert "of every" not in dlx("list", "loss").out


def test_list_of_an_unknown_group_suggests_the_near_one(dlx):
    result = dlx("list", "modle")
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith("dlx: unknown group modle; groups are dataset, device, ")
    assert result.err.endswith("; did you mean model?\n")


@pytest.mark.parametrize(("overrides", "count"), [
    (["model=linear"], 64 * 10 + 10),
    (["model=mlp", "model.width=7", "model.depth=3"], 64 * 7 + 7 + 2 * (7 * 7 + 7) + 7 * 10 + 10),
    (["model=mlp", "model.width=7", "model.norm=batch"], 64 * 7 + 7 + 2 * 7 + 7 * 10 + 10),
    (["model=cnn", "model.width=4", "model.depth=2", "model.norm=none"],
     (9 * 1 * 4 + 4) + (9 * 4 * 8 + 8) + 8 * 10 + 10),
    (["model=cnn", "model.width=4", "model.depth=1", "dataset=mnist"], (9 * 4 + 4) + 2 * 4 + 4 * 10 + 10),
    (["dataset=diabetes", "model=mlp", "model.width=5"], 10 * 5 + 5 + 5 + 1),
])
def test_show_counts_parameters(dlx, overrides, count):
    shown = json.loads(dlx("show", *overrides, "--json").out)
    assert shown["num_parameters"] == sum(layer["num_parameters"] for layer in shown["layers"]) == count
    assert f"{count:,}" in dlx("show", *overrides).out


def test_show_follows_an_example_through_the_layers(dlx):
    layers = json.loads(dlx("show", "model=cnn", "model.width=4", "--json").out)["layers"]
    shapes = [tuple(layer["output_shape"]) for layer in layers]
    assert [layer["kind"] for layer in layers] == ["Conv2d", "BatchNorm2d", "ReLU", "MaxPool2d"] * 2 + ["Dropout",
                                                                                                       "Linear"]
    assert shapes == [(4, 8, 8)] * 3 + [(4, 4, 4)] + [(8, 4, 4)] * 3 + [(8, 2, 2), (8,), (10,)]


def test_show_is_what_a_run_saves(dlx):
    overrides = [text for text in CLASSIFICATION if not text.startswith("runs_dir")]
    assert json.loads(dlx("show", *overrides, "--json").out)["config"] == read_yaml(
        trained(*CLASSIFICATION) / "config.yaml")


def test_show_prints_every_value_of_the_configuration(dlx):
    config = json.loads(dlx("show", "regularizer=[l2]", "--json").out)["config"]
    text = dlx("show", "regularizer=[l2]").out

    def shown(nested):
        for key, value in nested.items():
            if isinstance(value, dict):
                assert key in text
                shown(value)
            elif key not in ("part", "name"):
                assert f"{key}: {json.dumps(value)}" in text

    shown(config)
    assert list(Path().iterdir()) == []


def test_validate_prints_the_hash_that_a_run_will_have(dlx):
    run = trained(*CLASSIFICATION)
    assert dlx("validate", *CLASSIFICATION).out == f"valid: small {run.name[-8:]}\n"


@pytest.fixture
def runs(workdir):
    """runs/ with a run of every status there is, made from a finished one."""
    (workdir / "runs").mkdir()
    for status in ("created", "running", "done", "failed", "diverged", "oom", "interrupted"):
        name = f"20260101-0000{len(status):02}-{status}"
        run = copied(trained(*CLASSIFICATION), workdir).rename(workdir / "runs" / name)
        if status != "done":
            (run / "summary.json").unlink()
            reason = {} if status in ("created", "running") else {"reason": f"because {status}"}
            RunFolder(run).set_status(status, **reason)
    damaged = copied(trained(*CLASSIFICATION), workdir).rename(workdir / "runs/20260102-000000-damaged")
    (damaged / "status.json").write_text("{")
    (workdir / "runs/no run").mkdir()
    (workdir / "runs/file").touch()
    return workdir / "runs"


def test_runs_lists_how_each_run_ended_oldest_first(dlx, runs):
    rows = json.loads(dlx("runs", "--json").out)
    assert [row["run"] for row in rows] == sorted(row["run"] for row in rows)
    # A run whose process is gone is not running, whatever its last word was.
    assert {row["run"].split("-")[2]: row["status"] for row in rows} == {
        "created": "interrupted", "running": "interrupted", "done": "done", "failed": "failed",
        "diverged": "diverged", "oom": "oom", "interrupted": "interrupted", "damaged": "damaged"}
    for row in rows:
        if row["status"] in ("failed", "diverged", "oom"):
            assert row["reason"] == f"because {row['status']}"
    text = dlx("runs").out
    for row in rows:
        assert row["run"] in text


def test_runs_says_running_while_a_process_works_on_it(dlx, runs):
    with RunFolder(next(runs.glob("*-running"))):
        rows = {row["run"].split("-")[2]: row["status"] for row in json.loads(dlx("runs", "--json").out)}
    assert rows["running"] == "running"
    assert rows["created"] == "interrupted"


def test_runs_shows_the_numbers_of_the_summary(dlx, runs):
    row, = (row for row in json.loads(dlx("runs", "--json").out) if row["status"] == "done")
    facts = summary(next(runs.glob("*-done")))
    assert (row["metric"], row["seed"], row["epochs"], row["epochs_run"]) == ("accuracy", 3, 3, 3)
    assert row["val"] == values(facts["metrics"])["accuracy", "val"]
    assert row["gap_val"] == values(facts["gaps"])["accuracy", "val"]


def test_runs_of_another_folder_fit_a_terminal(dlx, workdir):
    run = copied(trained(*CLASSIFICATION), workdir / "elsewhere")
    row, = json.loads(dlx("runs", "elsewhere", "--json").out)
    assert row["run"] == run.name
    text = dlx("runs", "elsewhere").out
    line, = (line for line in text.splitlines() if run.name in line)
    assert line.split()[1:] == ["done", "3/3", "accuracy", f"{row['val']:.4g}", f"{row['gap_val']:+.3g}"]
    assert max(map(len, text.splitlines())) <= 80


def test_runs_where_there_are_none_yet(dlx):
    assert dlx("runs") == (0, "no runs in runs\n", "")
    assert dlx("runs", "--json") == (0, "[]\n", "")


def test_runs_of_a_folder_that_is_not_there_is_an_error(dlx):
    result = dlx("runs", "rnus")
    assert result.code != 0
    assert "rnus" in result.err


@pytest.mark.parametrize("overrides", [CLASSIFICATION, REGRESSION])
def test_report_of_the_same_files_gives_the_same_bytes(dlx, tmp_path, overrides):
    run = copied(trained(*overrides), tmp_path)
    before = {path.relative_to(run): path.read_bytes() for path in run.rglob("*") if path.is_file()}
    for path in (run / "report").rglob("*.*"):
        path.unlink()
    result = dlx("report", str(run))
    assert (result.code, result.err) == (0, "")
    assert {path.relative_to(run): path.read_bytes() for path in run.rglob("*") if path.is_file()} == before
    assert f"Report  {run}/report/report.html\n" in result.out


def test_report_prints_what_training_printed(dlx):
    result = dlx("train", *REGRESSION)
    folder = next(Path("runs").glob("*/"))
    assert dlx("report", str(folder)).out == result.out


def test_report_of_a_folder_that_is_no_run_is_refused(dlx):
    assert dlx("report", "nothing") == (3, "", "dlx: nothing is no run or sweep folder: "
                                               "it has no config.yaml or sweep.yaml\n")


@pytest.mark.parametrize("name", ["summary.json", "predictions.csv", "metrics.csv", "config.yaml", "status.json"])
def test_report_of_a_damaged_file_is_refused(dlx, tmp_path, name):
    run = copied(trained(*CLASSIFICATION), tmp_path)
    data = (run / name).read_bytes()
    (run / name).write_bytes(data[: len(data) // 2] + b"\0\xff{[")
    result = dlx("report", str(run))
    assert (result.code, result.out) == (3, "")
    assert name in result.err


def test_resume_of_a_finished_run_shows_it_and_changes_nothing(dlx, tmp_path):
    run = copied(trained(*CLASSIFICATION), tmp_path)
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file() and path.name != "run.lock"}
    result = dlx("resume", str(run), "--json")
    assert (result.code, result.err) == (0, "")
    assert json.loads(result.out) == {"folder": str(run), **summary(run)}
    assert dlx("resume", str(run)).out == dlx("report", str(run)).out
    assert {path: path.read_bytes() for path in before} == before


@pytest.mark.parametrize(("overrides", "message"), [
    (["epochs=30"], "unknown key epochs"), (["optimizer.lr=1"], "unknown key optimizer.lr"),
    (["checkpoint_seconds=-1"], "checkpoint_seconds must be in [0, inf), got -1"),
])
def test_resume_takes_nothing_that_changes_the_result(dlx, overrides, message):
    result = dlx("resume", str(trained(*CLASSIFICATION)), *overrides)
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith(f"dlx: {message}")


def test_resume_of_a_folder_in_use_says_by_whom(dlx, tmp_path):
    run = copied(trained(*CLASSIFICATION), tmp_path)
    with RunFolder(run):
        result = dlx("resume", str(run))
    assert (result.code, result.err) == (
        2, f"dlx: {run} is in use by process {os.getpid()}; wait for it or stop it first\n")


def test_resume_of_an_altered_configuration_is_refused(dlx, tmp_path):
    run = copied(trained(*CLASSIFICATION), tmp_path)
    (run / "summary.json").unlink()
    RunFolder(run).set_status("interrupted")
    text = (run / "config.yaml").read_text()
    (run / "config.yaml").write_text(text.replace("lr: 0.001", "lr: 0.002"))
    result = dlx("resume", str(run))
    assert (result.code, result.out) == (3, "")
    assert "the checkpoints are of another configuration than config.yaml" in result.err


def test_resume_from_the_last_checkpoint_gives_the_same_result(dlx, tmp_path):
    run = copied(trained(*CLASSIFICATION), tmp_path)
    expected = {name: (run / name).read_bytes() for name in ("summary.json", "metrics.csv", "predictions.csv")}
    (run / "summary.json").unlink()
    RunFolder(run).set_status("interrupted")
    assert dlx("resume", str(run), "--json").code == 0
    assert {name: (run / name).read_bytes() for name in expected} == expected
    assert math.isclose(json.loads((run / "status.json").read_text())["epoch"], 3)


def test_hash_of_a_run_folder_is_that_of_its_configuration():
    for overrides in (CLASSIFICATION, REGRESSION):
        run = trained(*overrides)
        assert config_hash(read_yaml(run / "config.yaml")) == run.name[-8:]
