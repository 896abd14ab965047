"""What `dlx complete` offers for the last word of a line."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from dlx.cli.main import COMMANDS, HIDDEN
from dlx.config import options
from dlx.core.model_keys import INERT
from dlx.core.train_keys import PARAM_GROUPS, TRAIN_ROWS

CONF = [options.conf_dir()]
REGULARIZERS, MODELS = (options.options(group, CONF) for group in ("regularizer", "model"))
OF_EVERY_OPTIMIZER = [f"optimizer.{name}=" for name in PARAM_GROUPS]
OF_EVERY_DATASET = [f"dataset.{name}=" for name in sorted(TRAIN_ROWS)]
OF_EVERY_MODEL = [f"model.{name}=" for name in sorted(INERT)]
OF_LINEAR = sorted([*OF_EVERY_MODEL, *(f"model.{name}=" for name in options.read_option(CONF[0] / "model/linear.yaml")
                                       if name != "_target_")])


@pytest.fixture
def offered(dlx):
    """The candidates for the last word, as printed."""

    def complete(*words: str) -> list[str]:
        result = dlx("complete", *words)
        assert (result.code, result.err) == (0, "")
        return result.out.splitlines()

    return complete


@pytest.fixture
def folders(workdir):
    """runs/ with two runs, a sweep of one run, and something else."""
    for name, marks in {"runs/one": "config.yaml", "runs/two": "config.yaml", "runs/sweep": "sweep.yaml",
                        "runs/sweep/runs/inner": "config.yaml", "runs/else": "notes.txt",
                        "out/three": "config.yaml"}.items():
        (workdir / name).mkdir(parents=True)
        (workdir / name / marks).touch()
    return workdir


@pytest.mark.parametrize("words", [(), ("",)])
def test_complete_offers_every_command_but_hidden_ones(offered, words):
    found = offered(*words)
    assert found == sorted(COMMANDS)
    assert not set(HIDDEN) & set(found)


@pytest.mark.parametrize(("words", "expected"), [
    (["tr"], ["train"]),
    (["re"], ["report", "resume"]),
    (["xyz"], []),
    (["--"], ["--help", "--version"]),
    (["nothing", "model="], []),
])
def test_complete_of_the_first_word_is_a_command(offered, words, expected):
    assert offered(*words) == expected


@pytest.mark.parametrize(("command", "expected"), [
    ("train", ["--config-dir", "--dry-run", "--help", "--json"]),
    ("sweep", ["--config-dir", "--dry-run", "--help", "--json"]),
    ("find-lr", ["--config-dir", "--help", "--json"]),
    ("show", ["--config-dir", "--help", "--json"]),
    ("validate", ["--config-dir", "--help"]),
    ("evaluate", ["--help", "--json", "--trust"]),
    ("ensemble", ["--help", "--json", "--trust"]),
    ("predict", ["--abstain-below", "--help", "--json", "--num-tokens", "--output", "--samples", "--seed",
                 "--temperature", "--top-k", "--trust"]),
    ("export", ["--format", "--help", "--json", "--output", "--trust"]),
    ("resume", ["--help", "--json", "--trust"]),
    ("report", ["--help", "--json", "--latex", "--pdf"]),
    ("runs", ["--help", "--json"]),
    ("list", ["--config-dir", "--help", "--json"]),
    ("completion", ["--help"]),
])
def test_complete_offers_the_options_of_a_command(offered, command, expected):
    assert offered(command, "--") == expected
    assert offered(command, "--h") == ["--help"]


@pytest.mark.parametrize("command", COMMANDS)
def test_complete_offers_only_options_that_the_command_takes(offered, dlx, command):
    usage = dlx(command, "-h").out
    assert all(option in usage for option in offered(command, "-"))


def test_complete_offers_groups_and_root_keys_first(offered):
    found = offered("train", "")
    assert {"model=", "optimizer=", "regularizer=", "experiment=", "seed=", "epochs=", "runs_dir="} <= set(found)
    assert not [key for key in found if "." in key]
    assert "workers=" not in found
    assert "workers=" in offered("sweep", "")


@pytest.mark.parametrize("group", options.groups(CONF))
def test_complete_offers_every_option_of_a_group(offered, group):
    assert offered("sweep", f"{group}=") == [f"{group}={name}" for name in options.options(group, CONF)]


@pytest.mark.parametrize(("words", "expected"), [
    (["train", "model=ml"], ["model=mlp"]),
    (["validate", "model=c"], ["model=cnn"]),
    (["train", "regularizer=["], [f"regularizer=[{name}" for name in REGULARIZERS]),
    (["train", "regularizer=[dropout,"],
     [f"regularizer=[dropout,{name}" for name in REGULARIZERS if name != "dropout"]),
    (["train", "regularizer=[l2,dr"], ["regularizer=[l2,dropout"]),
    (["train", "'regularizer=[l2,dr"], ["regularizer=[l2,dropout"]),
    (["train", "regularizer='[dr"], ["regularizer=[dropout"]),
    (["train", "regularizer=[dropout]"], []),
    (["train", "model=["], []),
    (["train", "model=mlp,"], []),
    (["sweep", "model=mlp,"], [f"model=mlp,{name}" for name in MODELS if name != "mlp"]),
    (["sweep", "regularizer=[],[dr"], ["regularizer=[],[dropout"]),
    (["sweep", "regularizer=[l2],[l2,dr"], ["regularizer=[l2],[l2,dropout"]),
    (["train", "optimizer.lr="], []),
    (["train", "nothing="], []),
])
def test_complete_offers_options_after_a_group(offered, words, expected):
    assert offered(*words) == expected


@pytest.mark.parametrize(("words", "expected"), [
    (["train", "optimizer.be"], ["optimizer.betas="]),
    (["train", "optimizer=sgd", "optimizer."],
     sorted(["optimizer.lr=", "optimizer.momentum=", "optimizer.nesterov=", "optimizer.weight_decay=",
             *OF_EVERY_OPTIMIZER])),
    (["train", "optimizer=adam", "optimizer."],
     sorted(["optimizer.betas=", "optimizer.eps=", "optimizer.lr=", "optimizer.weight_decay=", *OF_EVERY_OPTIMIZER])),
    (["sweep", "optimizer=sgd,adam", "optimizer.m"], ["optimizer.momentum="]),
    (["train", "model=linear", "model."], OF_LINEAR),
    (["train", "regularizer=[dropout,l2]", "regularizer."], ["regularizer.dropout.rate=", "regularizer.l2.strength="]),
    (["train", "regularizer=dropout", "regularizer."], ["regularizer.dropout.rate="]),
    (["train", "dataset=diabetes", "dataset."], OF_EVERY_DATASET),
    (["train", "dataset=mnist", "dataset."], sorted(["dataset.download=", *OF_EVERY_DATASET])),
    (["train", "sel"], ["selection="]),
    (["train", "experiment."], []),
])
def test_complete_offers_keys_of_the_options_chosen_on_the_line(offered, words, expected):
    assert offered(*words) == expected


def test_complete_offers_keys_of_every_option_where_none_is_chosen(offered):
    found = offered("train", "optimizer.")
    assert {"optimizer.betas=", "optimizer.momentum="} <= set(found)
    assert "regularizer.early_stopping.patience=" in offered("train", "regularizer.e")


def test_complete_offers_no_key_twice(offered):
    assert offered("train", "epochs=3", "ep") == []
    own = [f"model.{name}=" for name in options.read_option(CONF[0] / "model/cnn.yaml") if name != "_target_"]
    assert offered("train", "model=cnn", "model") == sorted([*own, *OF_EVERY_MODEL])


def test_complete_of_every_key_is_accepted_by_validation(offered, dlx):
    assert dlx("validate").code == 0
    for key in offered("train", "optimizer=adam", "optimizer.") + offered("train", "model=mlp", "model."):
        described = json.loads(dlx("list", key.split(".")[0], "--json").out)
        option = "adam" if key.startswith("optimizer") else "mlp"
        shared = {name.partition(".")[2]: value for name, value in options.read_root("train")[1].items() if "." in name}
        default = {**shared, **described[option]["defaults"]}[key.split(".")[1].rstrip("=")]
        assert dlx("validate", f"{key}{json.dumps(default)}").code == 0, key


def test_complete_offers_what_a_saved_checkpoint_is_measured_with(offered):
    assert offered("evaluate", "runs/x", "") == ["checkpoint=", "data_dir=", "dataset=", "device=", "level=", "report=",
                                               "rows=", "splits="]
    assert offered("evaluate", "runs/x", "device=c") == ["device=cpu", "device=cuda"]
    assert offered("evaluate", "runs/x", "model=") == []
    groups, keys = options.read_root("resume")
    assert offered("resume", "runs/x", "") == sorted(f"{key}=" for key in (*groups, *keys))


def test_complete_offers_run_folders(offered, folders):
    assert offered("evaluate", "") == ["runs/one", "runs/sweep/runs/", "runs/two"]
    assert offered("report", "ru") == ["runs/one", "runs/sweep", "runs/two"]
    assert offered("resume", "runs/") == ["runs/one", "runs/sweep", "runs/two"]
    assert offered("evaluate", "runs/t") == ["runs/two"]
    assert offered("evaluate", "runs/sweep/runs/") == ["runs/sweep/runs/inner"]
    assert offered("evaluate", "out/") == ["out/three"]
    assert offered("evaluate", f"{folders}/out/t") == [f"{folders}/out/three"]
    assert offered("report", "runs/one", "") == []


def test_complete_offers_the_folders_that_ensemble_predict_and_export_take(offered, folders):
    (folders / "runs/joined").mkdir()
    (folders / "runs/joined/ensemble.json").touch()
    assert offered("evaluate", "") == ["runs/joined", "runs/one", "runs/sweep/runs/", "runs/two"]
    assert offered("predict", "runs/j") == ["runs/joined"]
    assert offered("predict", "runs/one", "") == []
    assert offered("export", "") == ["runs/one", "runs/sweep/runs/", "runs/two"]
    assert offered("export", "--format", "") == ["onnx", "torch"]
    assert offered("export", "--format", "torch", "runs/o") == ["runs/one"]
    assert offered("ensemble", "runs/one", "runs/") == ["runs/one", "runs/sweep", "runs/two"]
    assert offered("ensemble", "runs/one", "runs/two", "ch") == ["checkpoint="]


def test_complete_offers_run_folders_after_an_option(offered, folders):
    assert offered("evaluate", "--json", "runs/o") == ["runs/one"]
    assert offered("evaluate", "--trust", "mine", "runs/o") == ["runs/one"]
    assert offered("evaluate", "--trust", "") == []


def test_complete_offers_nothing_where_there_are_no_runs(offered):
    assert offered("evaluate", "") == []


def test_complete_offers_groups_to_list_and_shells_to_completion(offered):
    assert offered("list", "mo") == ["model"]
    assert offered("list", "model", "") == []
    assert offered("completion", "") == ["bash", "fish", "zsh"]
    assert offered("completion", "bash", "") == []


@pytest.mark.parametrize("spelling", [["--config-dir", "mine"], ["--config-dir=mine"]])
def test_complete_offers_what_the_users_folder_adds(offered, workdir, spelling):
    (workdir / "mine/model").mkdir(parents=True)
    (workdir / "mine/model/wide.yaml").write_text("_target_: wide.Wide\nhidden: 3\n")
    assert offered("train", *spelling, "model=wid") == ["model=wide"]
    assert offered("train", *spelling, "model=wide", "model.") == sorted(["model.hidden=", *OF_EVERY_MODEL])
    assert offered("list", *spelling, "mod") == ["model"]


@pytest.mark.parametrize("content", [None, "a: [", "\x00"])
def test_complete_of_a_broken_folder_says_nothing(offered, workdir, content):
    if content is not None:
        (workdir / "mine/model").mkdir(parents=True)
        (workdir / "mine/model/wide.yaml").write_text(content)
    assert offered("train", "--config-dir", "mine", "model=wide", "model.h") == []


def test_complete_imports_neither_torch_nor_hydra(workdir):
    code = ("import sys; from dlx.cli.main import main; main(['complete', 'train', 'regularizer=[dropout,l2]', 'm']);"
            "print(*{'torch', 'numpy', 'hydra', 'omegaconf', 'rich'} & sys.modules.keys())")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("model=\n\n")


def test_complete_takes_less_than_a_tenth_of_a_second(dlx_process):
    seconds = []
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        assert dlx_process("complete", "train", "model=cnn", "optimizer.b").out == "optimizer.betas=\n"
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        seconds.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    assert min(seconds) < 0.1


def test_complete_needs_no_folder_to_write(dlx, workdir):
    dlx("complete", "train", "model=")
    assert list(Path().iterdir()) == []
