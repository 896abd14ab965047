"""What is said of a configuration that cannot be, and that nothing else happens."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
MODELS, REGULARIZERS = (", ".join(sorted(path.stem for path in (ROOT / "conf" / group).glob("*.yaml")))
                        for group in ("model", "regularizer"))

# Found by names, types and the environment alone: torch is not needed to say so.
WITHOUT_TORCH = {
    ("optimzer.lr=1",): "unknown key optimzer.lr; did you mean optimizer.lr?",
    ("lr=0.1",): "unknown key lr; did you mean optimizer.lr?",
    ("nesterov=true",): "unknown key nesterov; did you mean optimizer.nesterov?",
    ("zzz=1", "bar.baz=2"): "unknown key zzz\nunknown key bar.baz",
    ("regularizer=dropout", "regularizer.droput.rate=0.5"):
        "unknown key regularizer.droput.rate; did you mean regularizer.dropout.rate?",
    ("model=mpl",): f"model=mpl does not exist; model is one of {MODELS}; did you mean mlp?",
    ("regularizer=[l2,drop]",):
        f"regularizer=drop does not exist; regularizer is one of {REGULARIZERS}; did you mean dropout?",
    ("optimzer.lr=1", "model=mpl"):
        "unknown key optimzer.lr; did you mean optimizer.lr?\n"
        f"model=mpl does not exist; model is one of {MODELS}; did you mean mlp?",
    ("optimizer.lr=abc",): "optimizer.lr must be a finite number, got 'abc' (its default is 0.001)",
    ("optimizer.lr=nan",): "optimizer.lr must be a finite number, got nan (its default is 0.001)",
    ("optimizer.lr=1e400",): "optimizer.lr must be a finite number, got inf (its default is 0.001)",
    ("optimizer.lr=[1,2]",): "optimizer.lr must be a finite number, got [1, 2] (its default is 0.001)",
    ("model.width=big",): "model.width must be a whole number, got 'big' (its default is 128)",
    ("model.width=1.5",): "model.width must be a whole number, got 1.5 (its default is 128)",
    ("optimizer.betas=0.9",): "optimizer.betas must be a list, got 0.9 (its default is [0.9, 0.999])",
    ("model=[mlp]",): "model takes one option, got a list",
    ("optimizer.lr=${oc.env:DLX_NOT_SET}", "model.width=big"):
        "optimizer.lr=${oc.env:DLX_NOT_SET} cannot be resolved: environment variable DLX_NOT_SET is not set\n"
        "model.width must be a whole number, got 'big' (its default is 128)",
    ("optimizer.lr=${nothing.here}",):
        "optimizer.lr=${nothing.here} cannot be resolved: Interpolation key 'nothing.here' not found",
    ("optimizer.lr=${optimizer.lr}",): "optimizer.lr=${optimizer.lr} cannot be resolved: Recursive interpolation "
                                       "detected",
    ("epochs=0",): "epochs must be a whole number in [1, 100000000], got 0",
    ("batch_size=-3",): "batch_size must be a whole number in [1, inf), got -3",
    ("seed=-1",): "seed must be a whole number in [0, 9007199254740991], got -1",
    ("level=95",): "level must be in (0, 1), got 95",
    ("level=0",): "level must be in (0, 1), got 0",
    ("checkpoint_seconds=-1",): "checkpoint_seconds must be in [0, inf), got -1",
    ("name=../x",): "name must be 1 to 80 letters, digits, '.', '_' or '-', beginning with a letter or digit, "
                    "got '../x'",
    ("epochs=0", "batch_size=0", "level=2"):
        "epochs must be a whole number in [1, 100000000], got 0\n"
        "batch_size must be a whole number in [1, inf), got 0\n"
        "level must be in (0, 1), got 2",
    ("model",): "cannot read the override 'model': missing EQUAL at '<EOF>'; write key=value",
    ("--config-dir", "nowhere"): "--config-dir must be a folder, got nowhere",
}

RANGES = {
    ("optimizer.lr=-1",): "optimizer.lr must be in (0, inf), got -1",
    ("optimizer.lr=0",): "optimizer.lr must be in (0, inf), got 0",
    ("model.width=0",): "model.width must be a whole number in [1, 65536], got 0",
    ("model.width=65537",): "model.width must be a whole number in [1, 65536], got 65537",
    ("model.depth=257",): "model.depth must be a whole number in [1, 256], got 257",
    ("model.dropout_rate=1",): "model.dropout_rate must be in [0, 1), got 1",
    ("model.activation=rleu",): "model.activation must be one of relu, leaky_relu, tanh, sigmoid, gelu, silu, elu, "
                                "identity, got 'rleu'",
    ("optimizer.betas=[0.9]",): "optimizer.betas must be a list of 2 items, got [0.9]",
    ("optimizer.betas=[0.9,2]",): "optimizer.betas must be a list whose items are each in [0, 1), got [0.9, 2]",
    ("split.val_fraction=0",): "split.val_fraction must be in (0, 1), got 0",
    ("schedule.warmup_epochs=-1",): "schedule.warmup_epochs must be in [0, inf), got -1",
    ("regularizer=dropout", "regularizer.dropout.rate=1.0"):
        "regularizer.dropout.rate must be in [0, 1), got 1.0",
    ("metric.top_k.k=0",): "metric.top_k.k must be a whole number in [1, inf), got 0",
    ("device.precision=float16",): "device.precision must be one of float32, float64, bfloat16, got 'float16'",
    ("optimizer.lr=-1", "model.width=0", "split.val_fraction=2"):
        "split.val_fraction must be in (0, 1), got 2\n"
        "model.width must be a whole number in [1, 65536], got 0\n"
        "optimizer.lr must be in (0, inf), got -1",
}

COMBINATIONS = {
    ("split.val_fraction=0.6", "split.test_fraction=0.4"):
        "split.val_fraction + split.test_fraction must be below 1, got 0.6 + 0.4 = 1",
    ("optimizer=sgd", "optimizer.momentum=0", "optimizer.nesterov=true"):
        "optimizer.nesterov=true needs optimizer.momentum above 0, got 0",
    ("model=cnn", "dataset=breast_cancer"):
        "model=cnn needs images (C, H, W), got rows of shape (30,); use model=mlp or model=linear for tables",
    ("model=cnn", "model.width=40000"):
        "model.width · 2^(model.depth - 1) must be at most 65536, got width 40000 and depth 2",
    ("dataset=diabetes", "loss=cross_entropy"):
        "loss=cross_entropy is for classification and sequence, dataset=diabetes is a regression; "
        "use loss=mse metric=[rmse,mae,r2]",
    ("dataset=diabetes", "loss=cross_entropy", "metric=[accuracy,nll,rmse]", "preprocessing=[standardize]"):
        "loss=cross_entropy is for classification and sequence, metric=[accuracy,nll] is for classification, "
        "dataset=diabetes is a regression; use loss=mse metric=[rmse,mae,r2] preprocessing=[standardize,scale_target]",
    ("loss=mse",): "loss=mse is for regression, dataset=digits is a classification; "
                   "use loss=cross_entropy metric=[accuracy,nll,top_k,macro_f1,roc_auc]",
    ("dataset=diabetes", "metric=[accuracy]"):
        "metric=accuracy is for classification, dataset=diabetes is a regression; use loss=mse metric=[rmse,mae,r2]",
    ("regularizer=dropout", "model=linear"):
        "regularizer=dropout needs a model with dropout layers; Linear has none",
    ("regularizer=early_stopping", "regularizer.early_stopping.monitor=val_acc"):
        "regularizer.early_stopping.monitor must be one of val_loss, val_accuracy, val_nll, val_top_k, got 'val_acc'",
    ("selection=best_val_acc",): "selection must be one of best_val_loss, best_val_accuracy, best_val_nll, "
                                 "best_val_top_k, last, got 'best_val_acc'",
    ("selection=best_test_accuracy",): "selection must be one of best_val_loss, best_val_accuracy, best_val_nll, "
                                       "best_val_top_k, last, got 'best_test_accuracy'",
    ("loss=mse", "metric=[rmse]", "selection=best_val_accuracy", "model=linear", "regularizer=dropout"):
        "loss=mse and metric=rmse are for regression, dataset=digits is a classification; "
        "use loss=cross_entropy metric=[accuracy,nll,top_k,macro_f1,roc_auc]\n"
        "regularizer=dropout needs a model with dropout layers; Linear has none\n"
        "selection must be one of best_val_loss, best_val_rmse, last, got 'best_val_accuracy'",
}


def said(message: str) -> str:
    """The message as it is printed."""
    return "dlx: " + message.replace("\n", "\n     ") + "\n"


def name(overrides: tuple[str, ...]) -> str:
    return " ".join(overrides)


@pytest.mark.parametrize(("overrides", "message"), [*WITHOUT_TORCH.items(), *RANGES.items(), *COMBINATIONS.items()],
                         ids=lambda value: name(value) if isinstance(value, tuple) else "")
def test_validation_names_key_allowed_and_given_and_leaves_nothing(dlx, overrides, message):
    for command in ("validate", "train"):
        result = dlx(command, *overrides)
        assert result.err == said(message)
        assert (result.code, result.out) == (2, "")
    assert list(Path().iterdir()) == []


def test_validation_of_names_types_and_environment_imports_no_torch(tmp_path):
    code = ("import json, sys; from dlx.cli.main import main\n"
            "for overrides in json.load(sys.stdin):\n"
            "    assert main(['train', *overrides]) == 2, overrides\n"
            "    assert 'torch' not in sys.modules, overrides\n")
    done = subprocess.run([sys.executable, "-c", code], input=json.dumps([*WITHOUT_TORCH]), cwd=tmp_path, text=True,
                          capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("dlx: ") == len(WITHOUT_TORCH)


def test_validation_of_unknown_names_imports_no_hydra(tmp_path):
    code = ("import sys; from dlx.cli.main import main; main(['train', 'optimzer.lr=1', 'model=mpl', 'seed=3']);"
            "print({'torch', 'hydra', 'omegaconf', 'numpy'} & sys.modules.keys())")
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, text=True, capture_output=True, check=True)
    assert done.stdout == "set()\n"


def test_validation_in_a_process_exits_with_2_and_one_message(dlx_process):
    result = dlx_process("train", "optimzer.lr=1")
    assert result == (2, "", said("unknown key optimzer.lr; did you mean optimizer.lr?"))
    assert list(Path().iterdir()) == []


@pytest.mark.parametrize("overrides", [("nme=3", "model=mpl", "epochs=ten", "${"), ("epochs=ten", "selection=3")])
def test_validation_prints_no_traceback(dlx_process, overrides):
    result = dlx_process("train", *overrides)
    assert (result.code, result.out) == (2, "")
    assert "Traceback" not in result.err


def test_validation_shows_unknown_names_beside_wrong_types_together(dlx):
    result = dlx("validate", "optimzer.lr=1", "model=mpl", "model.width=big", "loss.x=${oc.env:DLX_NOT_SET}")
    for text in ("unknown key optimzer.lr", "model=mpl does not exist", "model.width must be", "unknown key loss.x"):
        assert text in result.err


def test_validation_says_each_problem_once(dlx):
    for given in ("epochs=ten", "seed=1.5", "selection=3", "level=high"):
        result = dlx("validate", given)
        assert len(result.err.splitlines()) == 1, result.err


def test_validation_shows_ranges_and_combinations_together(dlx):
    result = dlx("validate", "optimizer.lr=-1", "loss=mse", "selection=best_val_acc")
    for text in ("optimizer.lr must be in (0, inf), got -1", "loss=mse is for regression", "selection must be one of"):
        assert text in result.err


def test_validation_shows_values_as_they_are_typed(dlx):
    assert dlx("validate", "optimizer.lr=null").err == said(
        "optimizer.lr must be a finite number, got null (its default is 0.001)")
    assert dlx("validate", "optimizer=sgd", "optimizer.nesterov=maybe").err == said(
        "optimizer.nesterov must be true or false, got 'maybe' (its default is false)")
    assert "got true" in dlx("validate", "model.width=true").err
    assert dlx("validate", "model=null").err == said(
        f"model=null does not exist; model is one of {MODELS}")


@pytest.mark.parametrize(("given", "meant"), [("modle=cnn", "model"), ("optimiser=sgd", "optimizer"),
                                              ("regularisers=l2", "regularizer"), ("metrics=[nll]", "metric")])
def test_validation_suggests_groups_for_a_misspelt_one(dlx, given, meant):
    assert dlx("validate", given).err == said(f"unknown key {given.split('=')[0]}; did you mean {meant}?")


@pytest.mark.parametrize("key", ["defaults", "metric.rmse.x", "loss.target", "experiment.epochs"])
def test_validation_suggests_only_keys_that_can_be_set(dlx, key):
    message = dlx("validate", f"{key}=3").err
    assert "_target_" not in message
    assert "defaults?" not in message
    assert "belongs to experiment" not in message


@pytest.mark.parametrize("key", ["model.input_shape", "model.num_outputs"])
def test_validation_says_that_runtime_values_come_from_the_data(dlx, key):
    assert dlx("validate", f"{key}=3").err == said(f"{key} comes from the data and cannot be set")


def test_validation_of_a_name_from_a_missing_variable_says_one_thing(dlx):
    assert dlx("validate", "name=${oc.env:DLX_NOT_SET}").err == said(
        "name=${oc.env:DLX_NOT_SET} cannot be resolved: environment variable DLX_NOT_SET is not set")


def test_validation_of_a_scaled_target_on_classes_says_what_to_do(dlx):
    message = dlx("validate", "preprocessing=[standardize,scale_target]").err
    assert message.startswith("dlx: preprocessing=scale_target is for regression, dataset=digits is a classification")
    assert "use loss=" not in message


def test_validation_of_a_key_whose_part_is_not_chosen_says_whose_it_is(dlx):
    for key, owner in {"regularizer.dropout.rate": "regularizer=dropout",
                       "optimizer.nesterov": "optimizer=muon or optimizer=sgd",
                       "schedule.timescale_epochs": "schedule=inverse_sqrt",
                       "regularizer.jacobian.num_projections": "regularizer=jacobian",
                       "dataset.turns": "dataset=spirals", "loss.delta": "loss=huber", "metric.top_k.k": None}.items():
        overrides = [f"{key}=1", *(["metric=[accuracy]"] if owner is None else [])]
        owner = owner or "metric=top_k"
        assert dlx("validate", *overrides).err == said(f"{key} belongs to {owner}, which is not chosen")


def test_validation_refuses_a_part_listed_twice(dlx):
    result = dlx("validate", "regularizer=[l2,l2]")
    assert result.code == 2
    assert "l2" in result.err


def test_validation_refuses_an_override_without_key(dlx):
    assert dlx("validate", "=3").err == said("cannot read the override '=3': it has no key; write key=value")


@pytest.mark.parametrize("key", ["runs_dir", "data_dir"])
def test_validation_refuses_a_folder_without_name(dlx, key):
    assert dlx("validate", f"{key}=").code == 2


def test_validation_of_two_choices_of_one_group_takes_the_last(dlx):
    assert dlx("validate", "model=cnn", "model=mlp") == dlx("validate", "model=mlp")


def test_validation_of_an_unavailable_device_says_what_there_is(dlx):
    import torch

    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    result = dlx("train", "device=cuda")
    assert result.code == 2
    assert result.err.startswith("dlx: device=cuda is not available here; this machine has cpu")
    assert list(Path().iterdir()) == []


def test_validation_of_a_good_configuration_says_so_and_writes_nothing(dlx):
    result = dlx("validate", "model=cnn", "name=mine")
    assert result.code == 0
    assert result.out.startswith("valid: mine ")
    assert list(Path().iterdir()) == []
