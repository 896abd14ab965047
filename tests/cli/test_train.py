"""dlx train: what it prints, and what every file of the run folder says."""

from __future__ import annotations

import calendar
import hashlib
import importlib.metadata
import json
import os
import platform
import re
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from cli_runs import CLASSIFICATION, QUICK, REGRESSION, mlp_outputs, predictions, rows_of, summary, trained, values
from conftest import only_run
from sklearn import metrics as sk
from sklearn.datasets import load_diabetes, load_digits
from statsmodels.stats.proportion import proportion_confint

import dlx as package
from dlx.config.options import LIST_GROUPS
from dlx.config.saved import config_hash
from dlx.record import checkpoint
from dlx.record.safe_yaml import read_yaml

# Sections of the standard report.
STANDARD = ("gap", "calibration", "errors", "data", "training", "capacity")


def typed_again(saved: dict) -> list[str]:
    """The overrides that say what a saved configuration says."""
    overrides = []
    for key, value in saved.items():
        if key in LIST_GROUPS:
            overrides.append(f"{key}=[{','.join(value)}]")
            parts = {f"{key}.{name}": values for name, values in value.items()}
        elif isinstance(value, dict):
            overrides.append(f"{key}={value['part']}")
            parts = {key: value}
        else:
            overrides.append(f"{key}={json.dumps(value)}")
            parts = {}
        overrides += [f"{prefix}.{name}={json.dumps(item)}" for prefix, values in parts.items()
                      for name, item in values.items() if name != "part"]
    return overrides


def test_train_leaves_the_files_of_a_run_and_no_others():
    run = trained(*CLASSIFICATION)
    figures = {str(path.relative_to(run)) for path in run.glob("report/figures/*.png")}
    assert figures
    assert {str(path.relative_to(run)) for path in run.rglob("*") if path.is_file()} - figures == {
        "config.yaml", "overrides.txt", "status.json", "provenance.json", "metrics.csv", "timing.csv", "summary.json",
        "predictions.csv", "split.npz", "layers.csv", "dlx.log", "run.lock", "checkpoints/initial.safetensors",
        "checkpoints/best.safetensors", "checkpoints/last.safetensors", "report/report.json", "report/report.md",
        "report/report.html", *(f"measures/{name}.json" for name in STANDARD)}


def test_train_names_the_folder_by_time_name_and_hash():
    run = trained(*CLASSIFICATION)
    stamp, name, digits = re.fullmatch(r"(\d{8}-\d{6})-(.+)-([0-9a-f]{8})", run.name).groups()
    assert (name, digits) == ("small", config_hash(read_yaml(run / "config.yaml")))
    assert 0 <= time.time() - calendar.timegm(time.strptime(stamp, "%Y%m%d-%H%M%S")) < 3600


def test_train_keeps_what_was_typed():
    run = trained(*CLASSIFICATION)
    assert (run / "overrides.txt").read_text().splitlines() == [f"runs_dir={run.parent}", *CLASSIFICATION]


@pytest.mark.parametrize("overrides", [CLASSIFICATION, REGRESSION])
def test_train_with_the_values_of_config_yaml_gives_the_same_run(dlx, overrides):
    run = trained(*overrides)
    saved = read_yaml(run / "config.yaml")
    assert dlx("train", *typed_again(saved), "--json").code == 0
    again = only_run()
    assert again.name.split("-")[2:] == run.name.split("-")[2:]
    for name in ("config.yaml", "metrics.csv", "predictions.csv", "summary.json"):
        assert (again / name).read_bytes() == (run / name).read_bytes(), name


def test_train_says_in_status_how_it_ended():
    status = json.loads((trained(*CLASSIFICATION) / "status.json").read_text())
    assert {key: status[key] for key in ("status", "epoch", "reason")} == {"status": "done", "epoch": 3,
                                                                           "reason": "all epochs done"}
    assert status["pid"] == os.getpid()
    assert 0 <= time.time() - status["time"] < 3600


def test_train_says_in_provenance_with_what_it_was_made():
    run = trained(*CLASSIFICATION)
    facts = json.loads((run / "provenance.json").read_text())
    assert facts["dlx"] == package.__version__
    assert facts["python"] == platform.python_version()
    assert facts["packages"].keys() >= {"torch", "numpy", "scikit-learn", "hydra-core"}
    assert facts["packages"] == {name: importlib.metadata.version(name) for name in facts["packages"]}
    assert (facts["platform"], facts["cpu_count"]) == (platform.platform(), os.cpu_count())
    assert facts["config_hash"] == run.name[-8:]


def test_train_says_on_what_it_computed(dlx):
    assert dlx("train", *QUICK, "device=cpu", "device.threads=1", "--json").code == 0
    facts = summary(only_run())
    assert (facts["device"], facts["threads"]) == ("cpu", 1)
    log = (only_run() / "dlx.log").read_text().splitlines()
    assert [line.split(" INFO ")[1] for line in log if "INFO report: " not in line] == [
        "training on cpu, threads 1, processes 1, members 1, from epoch 0",
        "training ended after epoch 1: all epochs done"]


def test_train_says_in_provenance_the_state_of_the_users_repository(dlx, workdir):
    def git(*arguments: str) -> str:
        return subprocess.run(["git", "-c", "user.name=me", "-c", "user.email=me@example.org", *arguments],
                              capture_output=True, text=True, check=True).stdout

    git("init", "-q")
    (workdir / "notes.txt").write_text("one\n")
    git("add", "notes.txt")
    git("commit", "-qm", "one")
    assert dlx("train", *QUICK, "name=clean", "--json").code == 0
    (workdir / "notes.txt").write_text("two\n")
    assert dlx("train", *QUICK, "name=changed", "--json").code == 0
    states = {path.name.split("-")[2]: json.loads((path / "provenance.json").read_text())["git"]
              for path in (workdir / "runs").glob("*/")}
    commit = git("rev-parse", "HEAD").strip()
    assert states == {"clean": {"commit": commit}, "changed": {
        "commit": commit, "difference_sha256": hashlib.sha256(git("diff", "HEAD").encode()).hexdigest()}}


def test_train_writes_a_row_per_epoch():
    run = trained(*CLASSIFICATION)
    rows = rows_of(run / "metrics.csv")
    measured = ("loss", "accuracy", "nll", "top_k")
    assert list(rows[0]) == ["epoch", "step", "lr", "train_loss",
                             *(f"{split}_{name}" for split in ("train_eval", "val", "gap") for name in measured),
                             "grad_norm_mean", "grad_norm_max", "grad_ratio", "weight_norm", "dead_fraction"]
    steps = -(-summary(run)["num_examples"]["train"] // 64)
    assert [(row["epoch"], row["step"], row["lr"]) for row in rows] == [
        (str(epoch), str(epoch * steps), "0.001") for epoch in (1, 2, 3)]
    for row in rows:
        assert all(row.values())
        for name in measured:
            gap = float(row[f"val_{name}"]) - float(row[f"train_eval_{name}"])
            assert float(row[f"gap_{name}"]) == pytest.approx(gap, abs=1e-8)


def test_train_keeps_wall_clock_apart():
    rows = rows_of(trained(*CLASSIFICATION) / "timing.csv")
    assert list(rows[0]) == ["epoch", "train_seconds", "measure_seconds"]
    assert [row["epoch"] for row in rows] == ["1", "2", "3"]
    assert all(0 < float(row[name]) < 600 for row in rows for name in ("train_seconds", "measure_seconds"))


def test_train_selects_the_epoch_of_the_lowest_val_loss():
    run = trained(*CLASSIFICATION)
    rows, selection = rows_of(run / "metrics.csv"), summary(run)["selection"]
    best = min(rows, key=lambda row: float(row["val_loss"]))
    assert selection == {"rule": "best_val_loss", "epoch": int(best["epoch"]), "step": int(best["step"])}
    measured = values(summary(run)["metrics"])
    for split in ("train_eval", "val"):
        for name in ("loss", "accuracy", "nll", "top_k"):
            assert float(best[f"{split}_{name}"]) == pytest.approx(measured[name, split], abs=1e-6), (split, name)


def test_train_says_in_summary_what_was_trained():
    facts = summary(trained(*CLASSIFICATION))
    assert {key: facts[key] for key in ("status", "task", "name", "dataset", "model", "seed", "num_parameters",
                                        "num_examples", "epochs_run", "stop_reason", "level")} == {
        "status": "done", "task": "classification", "name": "small", "dataset": "digits", "model": "mlp", "seed": 3,
        "num_parameters": 64 * 16 + 16 + 16 * 10 + 10, "num_examples": {"train": 1078, "val": 360, "test": 359},
        "epochs_run": 3, "stop_reason": "all epochs done", "level": 0.9}
    assert facts["class_names"] == list("0123456789")


@pytest.mark.parametrize("split", ["val", "test"])
def test_train_summary_of_classes_is_recomputed_from_predictions(split):
    run = trained(*CLASSIFICATION)
    said, measured = predictions(run, split), values(summary(run)["metrics"])
    targets, probs = said["target"].astype(int), said["probs"]
    labels = np.arange(10)
    assert probs.sum(axis=1) == pytest.approx(np.ones(len(probs)), abs=1e-7)
    assert (said["prediction"] == probs.argmax(axis=1)).all()
    expected = {
        "accuracy": sk.accuracy_score(targets, said["prediction"]),
        "nll": sk.log_loss(targets, probs, labels=labels),
        "loss": sk.log_loss(targets, probs, labels=labels),
        "top_k": sk.top_k_accuracy_score(targets, probs, k=2, labels=labels),
        "macro_f1": sk.f1_score(targets, said["prediction"], average="macro"),
        "roc_auc": sk.roc_auc_score(targets, probs, multi_class="ovr", average="macro"),
    }
    assert {name: measured[name, split] for name in expected} == pytest.approx(expected, abs=1e-6)
    assert values(summary(run)["metrics"], "n")["accuracy", split] == len(targets)


@pytest.mark.parametrize("split", ["val", "test"])
def test_train_summary_of_values_is_recomputed_from_predictions(split):
    run = trained(*REGRESSION)
    said, measured = predictions(run, split), values(summary(run)["metrics"])
    targets, guesses = said["target"], said["prediction"]
    assert said["probs"].shape == (len(targets), 0)
    assert measured["rmse", split] == pytest.approx(sk.root_mean_squared_error(targets, guesses), abs=1e-4)
    assert measured["mae", split] == pytest.approx(sk.mean_absolute_error(targets, guesses), abs=1e-4)
    assert measured["r2", split] == pytest.approx(sk.r2_score(targets, guesses), abs=1e-6)
    # The loss is of the scaled target.
    scale = checkpoint.load(run / "checkpoints/best.safetensors").tensors["preprocessing/scale_target/scale"].item()
    assert measured["loss", split] == pytest.approx(sk.mean_squared_error(targets, guesses) / scale**2, abs=1e-6)


@pytest.mark.parametrize(("overrides", "truth"), [
    (CLASSIFICATION, lambda: load_digits().target), (REGRESSION, lambda: load_diabetes(scaled=False).target)])
def test_train_predictions_are_of_rows_of_the_dataset(overrides, truth):
    run, targets = trained(*overrides), truth()
    val, test = predictions(run, "val"), predictions(run, "test")
    ids = np.concatenate([val["id"], test["id"]])
    assert len(set(ids)) == len(ids)
    counts = summary(run)["num_examples"]
    assert (len(val["id"]), len(test["id"]), sum(counts.values())) == (counts["val"], counts["test"], len(targets))
    for said in (val, test):
        assert (np.diff(said["id"]) > 0).all()
        assert said["target"] == pytest.approx(targets[said["id"]])


def test_train_eval_is_recomputed_from_the_saved_weights():
    run, data = trained(*CLASSIFICATION), load_digits()
    held_out = np.concatenate([predictions(run, split)["id"] for split in ("val", "test")])
    train = np.setdiff1d(np.arange(len(data.target)), held_out)
    logits = mlp_outputs(run, "best", data.images / 16)
    probs = np.exp(logits - logits.max(axis=1, keepdims=True))
    probs /= probs.sum(axis=1, keepdims=True)
    measured = values(summary(run)["metrics"])
    assert measured["accuracy", "train_eval"] == sk.accuracy_score(data.target[train], logits[train].argmax(axis=1))
    assert measured["nll", "train_eval"] == pytest.approx(sk.log_loss(data.target[train], probs[train]), abs=1e-6)
    # And what it said of test follows from the same weights.
    said = predictions(run, "test")
    assert said["probs"] == pytest.approx(probs[said["id"]], abs=1e-6)


@pytest.mark.parametrize("overrides", [CLASSIFICATION, REGRESSION])
def test_train_gaps_are_value_minus_train_eval(overrides):
    facts = summary(trained(*overrides))
    measured = {field: values(facts["metrics"], field) for field in ("value", "low", "high", "n", "method")}
    gaps = {field: values(facts["gaps"], field) for field in measured}
    assert gaps["value"].keys() == {(name, split) for name, split in measured["value"] if split != "train_eval"}
    for metric, split in gaps["value"]:
        known = measured["value"][metric, "train_eval"]
        for field in ("value", "low", "high"):
            assert gaps[field][metric, split] == pytest.approx(measured[field][metric, split] - known, abs=1e-12)
        assert gaps["n"][metric, split] == measured["n"][metric, split]
        assert gaps["method"][metric, split] == measured["method"][metric, split]
    for row in facts["selection_optimism"]:
        expected = measured["value"][row["metric"], "val"] - measured["value"][row["metric"], "test"]
        assert row["value"] == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("metric", ["accuracy", "top_k"])
@pytest.mark.parametrize("split", ["val", "test"])
def test_train_intervals_of_proportions_are_wilsons(metric, split):
    facts = summary(trained(*CLASSIFICATION))
    row, = (row for row in facts["metrics"] if (row["metric"], row["split"]) == (metric, split))
    hits = round(row["value"] * row["n"])
    low, high = proportion_confint(hits, row["n"], alpha=1 - 0.9, method="wilson")
    assert (row["low"], row["high"]) == pytest.approx((low, high), abs=1e-12)
    assert (row["method"], row["level"]) == ("Wilson", 0.9)


@pytest.mark.parametrize("overrides", [CLASSIFICATION, REGRESSION])
def test_train_intervals_hold_their_values_and_train_eval_has_none(overrides):
    for row in summary(trained(*overrides))["metrics"]:
        if row["split"] == "train_eval":
            assert (row["low"], row["high"], row["method"]) == (None, None, None)
        else:
            assert row["low"] <= row["value"] <= row["high"]


def test_train_keeps_checkpoints_that_say_what_they_are():
    run = trained(*CLASSIFICATION)
    saved = {name: checkpoint.load(run / f"checkpoints/{name}.safetensors") for name in ("initial", "best", "last")}
    weights = {"model/layers.0.weight": (16, 64), "model/layers.0.bias": (16,), "model/layers.3.weight": (10, 16),
               "model/layers.3.bias": (10,), "preprocessing/standardize/mean": (1, 1, 1),
               "preprocessing/standardize/scale": (1, 1, 1)}
    for name, found in saved.items():
        assert found.state["config"] == read_yaml(run / "config.yaml")
        shapes = {key: tuple(tensor.shape) for key, tensor in found.tensors.items()}
        assert shapes.items() >= weights.items()
        assert name == "last" or shapes == weights
    assert saved["last"].state["progress"]["epoch"] == 3
    first = saved["initial"].tensors["model/layers.0.weight"]
    assert not (first == saved["last"].tensors["model/layers.0.weight"]).any()


def test_train_writes_a_report_with_the_numbers_of_the_summary():
    run = trained(*CLASSIFICATION)
    accuracy = values(summary(run)["metrics"])["accuracy", "test"]
    for name in ("report.md", "report.html"):
        assert f"{accuracy:.1%}" in (run / "report" / name).read_text()
    assert json.dumps(accuracy) in (run / "report/report.json").read_text()
    assert all(path.read_bytes().startswith(b"\x89PNG\r\n\x1a\n") for path in run.glob("report/figures/*"))


def test_train_json_is_one_object_on_standard_output(dlx):
    result = dlx("train", *QUICK, "--json")
    assert (result.code, result.err) == (0, "")
    assert json.loads(result.out) == {"folder": str(Path("runs") / only_run().name), **summary(only_run())}
    assert result.out.count("\n") == 1


def test_train_prints_verdict_gap_and_folder_and_progress_apart(dlx):
    result = dlx("train", *QUICK, "name=shown")
    folder = Path("runs") / only_run().name
    accuracy = values(summary(only_run())["metrics"])["accuracy", "test"]
    assert f"Test accuracy is {accuracy:.1%}" in " ".join(result.out.split())
    assert f"Run folder  {folder}\n" in result.out
    assert f"Report  {folder}/report/report.html\n" in result.out
    assert result.err.startswith(f"shown  seed 0  →  {folder}\nepoch 1/1  train_eval loss ")


def test_train_in_a_process_keeps_streams_apart_and_the_command_line(workdir):
    script = Path(sys.executable).parent / "dlx"
    done = subprocess.run([script, "train", *QUICK, "--json"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["status"] == "done"
    command = json.loads((only_run() / "provenance.json").read_text())["command"]
    assert command == ["dlx", "train", *QUICK, "--json"]


def test_train_of_one_seed_gives_the_same_bytes_and_of_another_does_not(dlx):
    for overrides in (("seed=0", "name=a"), ("seed=0", "name=b"), ("seed=1", "name=c"), ("split.seed=1", "name=d")):
        assert dlx("train", *QUICK, *overrides, "--json").code == 0
    runs = {path.name.split("-")[2]: path for path in Path("runs").glob("*/")}
    for name in ("metrics.csv", "predictions.csv", "checkpoints/initial.safetensors"):
        contents = {key: (run / name).read_bytes() for key, run in runs.items()}
        if name.endswith(".csv"):
            assert contents["a"] == contents["b"]
            assert len({contents["a"], contents["c"], contents["d"]}) == 3
        else:
            # The configuration is written into a checkpoint, the name with it.
            weights = {key: checkpoint.decode(data, key).tensors["model/layers.0.weight"]
                       for key, data in contents.items()}
            assert (weights["a"] == weights["b"]).all()
            assert (weights["a"] == weights["d"]).all()
            assert not (weights["a"] == weights["c"]).any()
    assert runs["a"].name[-8:] == runs["b"].name[-8:]


def test_train_dry_run_shows_the_configuration_and_writes_nothing(dlx):
    result = dlx("train", *QUICK, "--dry-run")
    assert (result.code, result.err) == (0, "")
    assert "model = mlp" in result.out
    assert "width: 8" in result.out
    assert list(Path().iterdir()) == []


def test_train_dry_run_prints_json_where_asked(dlx):
    result = dlx("train", *QUICK, "--dry-run", "--json")
    assert json.loads(result.out)["model"]["width"] == 8


def test_train_without_metrics_still_measures_the_loss(dlx):
    result = dlx("train", "dataset=breast_cancer", "metric=[]", "epochs=1", "--json")
    assert result.code == 0
    assert list(values(json.loads(result.out)["metrics"])) == [("loss", "train_eval"), ("loss", "val"),
                                                               ("loss", "test")]
    assert dlx("runs").code == 0


def test_train_stops_early_where_asked(dlx):
    result = dlx("train", *QUICK, "epochs=50", "regularizer=early_stopping", "regularizer.early_stopping.patience=1",
                 "regularizer.early_stopping.min_delta=10", "--json")
    facts = json.loads(result.out)
    assert facts["epochs_run"] == 2
    assert facts["stop_reason"] == "early_stopping: val_loss has not improved by more than 10 for 1 epochs"
    assert len(rows_of(only_run() / "metrics.csv")) == 2


def test_train_with_last_keeps_the_last_epoch(dlx):
    facts = json.loads(dlx("train", *QUICK, "epochs=3", "optimizer=sgd", "optimizer.lr=3", "selection=last",
                           "--json").out)
    assert facts["selection"]["epoch"] == 3
