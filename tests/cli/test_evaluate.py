"""dlx evaluate: the numbers of a saved checkpoint again, and which files are refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from cli_runs import CLASSIFICATION, REGRESSION, copied, mlp_outputs, predictions, summary, trained, values
from conftest import only_run
from sklearn import metrics as sk
from sklearn.datasets import load_digits

DATASET = '''
import numpy as np

from dlx.core.types import Arrays, TaskSpec


class Rows:
    """Rows of a file in the current folder."""

    def __init__(self, file: str):
        self.file = file

    def spec(self):
        return TaskSpec("classification", "table", (3,), 2, ("no", "yes"))

    def load(self, data_dir):
        rows = np.loadtxt(self.file, delimiter=",", dtype=np.float32)
        return Arrays(rows[:, :3], rows[:, 3].astype(np.int64))
'''


def measured(dlx, *arguments: str) -> dict:
    """The parsed --json of dlx evaluate."""
    result = dlx("evaluate", *arguments, "--json")
    assert (result.code, result.err) == (0, "")
    return json.loads(result.out)


@pytest.mark.parametrize("overrides", [CLASSIFICATION, REGRESSION])
def test_evaluate_gives_the_numbers_of_the_summary(dlx, overrides):
    run = trained(*overrides)
    level = summary(run)["level"]
    again = measured(dlx, str(run), f"level={level}")
    assert (again["checkpoint"], again["level"]) == ("best.safetensors", level)
    for field in ("value", "low", "high", "n", "method"):
        expected = values(summary(run)["metrics"], field)
        assert values(again["metrics"], field) == {
            key: pytest.approx(value, abs=1e-6) if isinstance(value, float) else value
            for key, value in expected.items()}


def test_evaluate_writes_nothing_into_the_run_that_was_there(dlx, tmp_path):
    run = copied(trained(*CLASSIFICATION), tmp_path)
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    measured(dlx, str(run))
    assert {path: path.read_bytes() for path in before} == before


def test_evaluate_measures_the_splits_asked_for(dlx):
    run = str(trained(*CLASSIFICATION))
    everything = values(measured(dlx, run)["metrics"])
    for splits in (["val"], ["test"], ["test", "train_eval"], ["train_eval", "val", "test"]):
        found = values(measured(dlx, run, f"splits=[{','.join(splits)}]")["metrics"])
        assert found == {key: value for key, value in everything.items() if key[1] in splits}


@pytest.mark.parametrize("name", ["initial", "last", "best"])
def test_evaluate_of_a_named_checkpoint_is_recomputed_by_hand(dlx, name):
    run, data = trained(*CLASSIFICATION), load_digits()
    found = measured(dlx, str(run), f"checkpoint={name}")
    assert found["checkpoint"] == f"{name}.safetensors"
    logits = mlp_outputs(run, name, data.images / 16)
    for split in ("val", "test"):
        ids = predictions(run, split)["id"]
        probs = np.exp(logits[ids]) / np.exp(logits[ids]).sum(axis=1, keepdims=True)
        numbers = values(found["metrics"])
        assert numbers["accuracy", split] == sk.accuracy_score(data.target[ids], probs.argmax(axis=1))
        assert numbers["nll", split] == pytest.approx(sk.log_loss(data.target[ids], probs, labels=range(10)), abs=1e-6)


def test_evaluate_of_a_checkpoint_file_is_that_of_its_name(dlx, tmp_path):
    run = trained(*CLASSIFICATION)
    for name in ("initial", "last"):
        by_name = measured(dlx, str(run), f"checkpoint={name}")
        assert measured(dlx, f"{run}/checkpoints/{name}.safetensors") == by_name
    # A file says everything: it may lie anywhere.
    shutil.copy(run / "checkpoints/last.safetensors", tmp_path / "elsewhere.safetensors")
    alone = measured(dlx, "elsewhere.safetensors")
    assert alone["metrics"] == measured(dlx, str(run), "checkpoint=last")["metrics"]


def test_evaluate_on_the_cpu_is_the_same(dlx):
    run = str(trained(*REGRESSION))
    assert measured(dlx, run, "device=cpu", "device.threads=1") == measured(dlx, run)


@pytest.mark.parametrize("overrides", [CLASSIFICATION, REGRESSION])
def test_evaluate_at_a_lower_level_narrows_every_interval(dlx, overrides):
    run = str(trained(*overrides))
    wide, narrow = (measured(dlx, run, f"level={level}", "splits=[val,test]")["metrics"] for level in (0.99, 0.5))
    assert len(wide) == len(narrow) > 0
    for one, other in zip(wide, narrow, strict=True):
        assert one["value"] == other["value"]
        assert one["low"] < other["low"] <= other["high"] < one["high"]
        assert (one["level"], other["level"]) == (0.99, 0.5)


def test_evaluate_prints_a_table(dlx):
    run = trained(*CLASSIFICATION)
    result = dlx("evaluate", str(run), "splits=[test]")
    assert result.code == 0
    accuracy = values(summary(run)["metrics"])["accuracy", "test"]
    assert f"{accuracy:.4g}" in result.out
    assert "train_eval" not in result.out


@pytest.mark.parametrize(("overrides", "message"), [
    (["splits=[nope]"], "splits must be a list of train_eval, val, test, got ['nope']"),
    (["splits=[]"], "splits must be a list of train_eval, val, test, got []"),
    (["splits=val"], "splits must be a list, got 'val'"),
    (["splits=[val,val]"], "splits"),
    (["checkpoint=newest"], "checkpoint must be one of best, last, initial, got 'newest'"),
    (["level=1.5"], "level must be in (0, 1), got 1.5"),
    (["device.threads=0"], "device.threads must be"),
    (["device.precision=float64"], "device.precision"),
    (["epochs=3"], "unknown key epochs"),
    (["splits=[val", "level=2"], "cannot read the override 'splits=[val'"),
])
def test_evaluate_refuses_what_it_cannot_measure(dlx, overrides, message):
    result = dlx("evaluate", str(trained(*CLASSIFICATION)), *overrides)
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith(f"dlx: {message}")
    assert "Traceback" not in result.err


def test_evaluate_suggests_splits_for_split(dlx):
    result = dlx("evaluate", str(trained(*CLASSIFICATION)), "split=[test]")
    assert (result.code, result.out) == (2, "")
    assert "did you mean splits?" in result.err


@pytest.mark.parametrize("given", ["runs/none", "none.safetensors", "."])
def test_evaluate_of_what_is_not_there_is_refused(dlx, given):
    result = dlx("evaluate", given)
    assert (result.code, result.out) == (3, "")
    assert given in result.err


def test_evaluate_of_a_folder_that_is_no_run_says_so(dlx, workdir):
    (workdir / "other").mkdir()
    result = dlx("evaluate", "other")
    assert (result.code, result.err) == (3, "dlx: other is not a run folder: it has no config.yaml\n")


def test_evaluate_of_a_missing_checkpoint_says_what_to_do(dlx, tmp_path):
    run = copied(trained(*CLASSIFICATION), tmp_path)
    (run / "checkpoints/best.safetensors").unlink()
    result = dlx("evaluate", str(run))
    assert (result.code, result.err) == (
        3, f"dlx: {run} has no best checkpoint; if the run was interrupted: dlx resume {run}\n")


# Of the length, of the header, of its first and last tensors.
@pytest.mark.parametrize("place", [0, 0.01, 0.3, 0.7, 0.999])
@pytest.mark.parametrize("bit", [0, 7])
def test_evaluate_of_a_checkpoint_with_one_flipped_bit_is_refused(dlx, tmp_path, place, bit):
    run = copied(trained(*CLASSIFICATION), tmp_path)
    path = run / "checkpoints/best.safetensors"
    data = bytearray(path.read_bytes())
    data[int(place * len(data))] ^= 1 << bit
    path.write_bytes(data)
    result = dlx("evaluate", str(run))
    assert (result.code, result.out) == (3, "")
    assert result.err.startswith(f"dlx: {path} refused: ")


@pytest.mark.parametrize("change", [lambda data: b"", lambda data: data[:7], lambda data: data[:-1],
                                    lambda data: data + b"\0", lambda data: data[: len(data) // 2],
                                    lambda data: b"not a checkpoint at all", lambda data: b"\xff" * 100])
def test_evaluate_of_a_file_that_is_no_checkpoint_is_refused(dlx, tmp_path, change):
    path = tmp_path / "some.safetensors"
    path.write_bytes(change((trained(*CLASSIFICATION) / "checkpoints/best.safetensors").read_bytes()))
    result = dlx("evaluate", "some.safetensors")
    assert (result.code, result.out) == (3, "")
    assert result.err.startswith("dlx: some.safetensors refused: ")


def test_evaluate_of_altered_data_is_refused(dlx, workdir):
    (workdir / "altered_data_parts.py").write_text(DATASET)
    (workdir / "mine/dataset").mkdir(parents=True)
    (workdir / "mine/dataset/rows.yaml").write_text("_target_: altered_data_parts.Rows\nfile: rows.csv\n")
    draw = np.random.default_rng(0)
    rows = draw.normal(size=(200, 4)).round(3)
    rows[:, 3] = rows[:, 0] > 0
    np.savetxt("rows.csv", rows, delimiter=",")
    result = dlx("train", "--config-dir", f"{workdir}/mine", "dataset=rows", "metric=[accuracy]", "epochs=1", "--json")
    assert (result.code, result.err) == (0, "")
    run = str(only_run())
    expected = values(json.loads(result.out)["metrics"])
    assert values(measured(dlx, run, "--trust", "altered_data_parts")["metrics"]) == pytest.approx(expected, abs=1e-6)

    rows[17, 1] += 0.001
    np.savetxt("rows.csv", rows, delimiter=",")
    altered = dlx("evaluate", run, "--trust", "altered_data_parts")
    assert (altered.code, altered.out) == (3, "")
    assert altered.err == ("dlx: the data differs from what the run was trained on (its fingerprint does not match); "
                           "point data_dir to the original\n")


def test_evaluate_of_a_configuration_altered_beside_it_measures_the_checkpoint(dlx, tmp_path):
    run = copied(trained(*CLASSIFICATION), tmp_path)
    expected = measured(dlx, str(run))
    text = (run / "config.yaml").read_text()
    (run / "config.yaml").write_text(text.replace("width: 16", "width: 17"))
    assert measured(dlx, str(run)) == expected
    assert Path(run / "config.yaml").read_text() != text


def test_evaluate_without_a_checkpoint_asks_for_it_alone(dlx):
    result = dlx("evaluate")
    assert result.code == 2
    assert result.err.endswith("dlx evaluate: error: the following arguments are required: checkpoint\n")
