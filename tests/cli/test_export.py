"""dlx export: a file that gives the run's own predictions without dlx, from what is written beside it alone."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from cli_runs import copied, predictions, trained
from part_files import option_names
from sklearn.datasets import load_diabetes, load_digits

from dlx.engine import export
from dlx.record import checkpoint
from dlx.record.checkpoint import Checkpoint

DIGITS = ("epochs=1", "model.width=8", "metric=[accuracy]")
TEXTS = ("dataset=python_docs", "epochs=1", "metric=[accuracy]")
REGRESSION = ("dataset=diabetes", "epochs=3", "model.width=8", "optimizer.lr=0.01")
FORMS = ("torch", "onnx")


def exported(dlx, run: Path, form: str, *arguments: str) -> tuple[Path, dict]:
    """Export; return the file and what is written beside it."""
    result = dlx("export", str(run), "--format", form, "-o", f"model.{form}", *arguments, "--json")
    assert (result.code, result.err) == (0, "")
    described = json.loads(Path(f"model.{form}.json").read_text())
    assert json.loads(result.out) == {"output": f"model.{form}", **described}
    return Path(f"model.{form}"), described


def outputs(path: Path, form: str, inputs: np.ndarray) -> np.ndarray:
    """Run the file without dlx."""
    if form == "onnx":
        return onnxruntime.InferenceSession(path).run(None, {"inputs": inputs})[0]
    return torch.export.load(path).module()(torch.from_numpy(inputs)).detach().numpy()


def statistic(part: dict, name: str) -> np.ndarray:
    """One statistic of preprocessing, as the file beside says it."""
    said = part["statistics"][name]
    return np.array(said["values"], said["dtype"]).reshape(said["shape"])


@pytest.mark.parametrize("form", FORMS)
def test_exported_classifier_gives_the_runs_probabilities_from_what_stands_beside_it(form, dlx, workdir):
    run = trained(*DIGITS)
    path, said = exported(dlx, run, form)
    standardize, = said["preprocessing"]
    assert standardize["part"] == "standardize"
    images = (load_digits().images / 16)[:, None]
    rows = ((images - statistic(standardize, "mean")) / statistic(standardize, "scale")).astype(np.float32)
    expected = predictions(run, "test")
    for chosen in (slice(None), slice(0, 1), slice(0, 17)):
        logits = outputs(path, form, rows[expected["id"][chosen]]).astype(np.float64)
        probs = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        np.testing.assert_allclose(probs, expected["probs"][chosen], atol=1e-5)
    assert said["class_names"] == list("0123456789")
    assert said["inputs"] == {"name": "inputs", "dtype": "float32", "shape": ["batch", 1, 8, 8], "layout": "image",
                              "vocabulary_size": 0}
    assert said["compared"]["rows"] == len(expected["id"])
    assert said["compared"]["largest_difference"] <= 1e-4


@pytest.mark.parametrize("form", FORMS)
def test_exported_regression_gives_the_targets_units_by_shift_and_scale(form, dlx, workdir):
    run = trained(*REGRESSION)
    path, said = exported(dlx, run, form)
    standardize, scale = said["preprocessing"]
    assert (standardize["part"], scale["part"]) == ("standardize", "scale_target")
    rows = (load_diabetes(scaled=False).data - statistic(standardize, "mean")) / statistic(standardize, "scale")
    expected = predictions(run, "test")
    found = outputs(path, form, rows.astype(np.float32)[expected["id"]])[:, 0]
    np.testing.assert_allclose(found * said["target_scale"] + said["target_shift"], expected["prediction"], rtol=1e-4)


def test_export_takes_another_checkpoint_and_a_checkpoint_file(dlx, workdir):
    run = trained(*DIGITS)
    _, initial = exported(dlx, run, "torch", "checkpoint=initial")
    _, best = exported(dlx, run, "torch")
    _, file = exported(dlx, run / "checkpoints/initial.safetensors", "torch")
    assert initial["checkpoint"] == "initial.safetensors"
    assert best["checkpoint"] == "best.safetensors"
    assert {key: value for key, value in file.items() if key != "sha256"} == {
        key: value for key, value in initial.items() if key != "sha256"}


def test_export_of_tokens_takes_whole_numbers(dlx, workdir):
    _, said = exported(dlx, trained(*TEXTS, "model=bag"), "torch")
    assert said["inputs"]["dtype"] == "int64"
    assert said["inputs"]["vocabulary_size"] > 100
    assert said["raw"]["layout"] == "text"


def run_of(model: str) -> Path:
    """A run of a model, on the first data that it takes."""
    for overrides in (("epochs=1", "metric=[accuracy]"), TEXTS):
        try:
            return trained(*overrides, f"model={model}", "dataset.train_fraction=0.1")
        except AssertionError:
            continue
    raise AssertionError(f"model={model} takes neither images nor texts")


@pytest.mark.slow
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("model", option_names("model"))
def test_every_model_is_exported(model, form, dlx, workdir):
    _, said = exported(dlx, run_of(model), form)
    assert said["model"] == model
    assert said["compared"]["largest_difference"] <= 1e-4


@pytest.mark.slow
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("model", ["window", "lstm", "tcn", "transformer", "gpt"])
def test_models_of_sequences_are_exported_with_their_answers_of_every_position(model, form, dlx, workdir):
    run = trained("dataset=copy", "epochs=1", "metric=[token_accuracy]", "preprocessing=[]", f"model={model}",
                  "dataset.train_fraction=0.1")
    _, said = exported(dlx, run, form)
    assert said["kind"] == "sequence"
    assert said["outputs"]["meaning"].startswith("logits of each position")
    assert said["compared"]["largest_difference"] <= 1e-4


@pytest.mark.parametrize("form", FORMS)
def test_export_refuses_a_program_that_says_something_else(form, dlx, workdir, monkeypatch):
    # No difference is below it.
    monkeypatch.setattr(export, "TOLERANCE", -1.0)
    result = dlx("export", str(trained(*DIGITS)), "--format", form, "-o", "model")
    assert (result.code, result.out) == (3, "")
    assert "test rows its outputs differ from the run's own by up to" in result.err
    assert list(workdir.iterdir()) == []


@pytest.mark.parametrize("package", ["onnxscript", "onnxruntime"])
def test_export_to_onnx_without_its_packages_says_which_extra_has_them(package, dlx, workdir, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    result = dlx("export", str(trained(*DIGITS)), "--format", "onnx", "-o", "model.onnx")
    assert (result.code, result.out) == (2, "")
    assert result.err == f"dlx: dlx export --format onnx needs {package}: pip install 'dlx[onnx]'\n"
    assert list(workdir.iterdir()) == []


def test_export_refuses_a_checkpoint_that_does_not_fit_and_writes_nothing(dlx, workdir):
    run = copied(trained(*DIGITS), workdir)
    path = run / "checkpoints/best.safetensors"
    saved = checkpoint.load(path)
    tensors = {**saved.tensors, "model/layers.0.weight": torch.zeros(3, 3)}
    state = {key: value for key, value in saved.state.items() if key not in ("sha256", "format")}
    path.write_bytes(checkpoint.encode(Checkpoint(tensors, state)))
    result = dlx("export", str(run), "--format", "torch", "-o", "model.pt2")
    assert (result.code, result.out) == (3, "")
    assert "does not fit its configuration" in result.err
    assert [item.name for item in workdir.iterdir()] == [run.name]


def test_export_refuses_another_device_a_folder_that_is_not_there_and_an_unknown_form(dlx, workdir):
    run = str(trained(*DIGITS))
    assert "leave the device out" in dlx("export", run, "--format", "torch", "-o", "m", "device=auto").err
    nowhere = dlx("export", run, "--format", "torch", "-o", "none/m.pt2")
    assert (nowhere.code, nowhere.out) == (4, "")
    assert dlx("export", run, "--format", "tf", "-o", "m").code == 2
    assert list(workdir.iterdir()) == []
