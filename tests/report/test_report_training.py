"""The training section of real runs: its numbers from the run's files, and commands that hold."""

import csv
import shlex

import numpy as np
import pytest
from conftest import only_run
from part_files import make, saved
from trained_runs import KINDS, copied, subject, trained

from dlx.cli.main import main
from dlx.config.build import ANY_PACKAGE, build
from dlx.config.compose import compose
from dlx.config.saved import to_saved
from dlx.record.checkpoint import load
from dlx.record.measures import write_measures
from dlx.report.diagnosing import advice
from dlx.report.diagnosing.diagnosis import diagnose_run
from dlx.report.diagnosing.finding import Case
from dlx.report.files import Status, read_run
from dlx.report.history import History

# As in KINDS, and the report that keeps layers.csv.
WATCHED = "report=[training]"


@pytest.fixture(scope="module")
def images():
    folder = trained(*KINDS["images"], WATCHED)
    return folder, make("report", "training").measure(subject(folder))


def table(folder, name):
    with open(folder / name, newline="") as file:
        return [{key: value if key == "layer" else float(value) for key, value in row.items()}
                for row in csv.DictReader(file)]


def test_training_numbers_of_layers_are_those_of_layers_csv(images):
    folder, found = images
    rows = table(folder, "layers.csv")
    layers = list(dict.fromkeys(row["layer"] for row in rows))
    assert layers == ["layers.0", "layers.3"]
    by_layer = {name: [row for row in rows if row["layer"] == name] for name in layers}
    last = [row["gradient_norm"] for row in by_layer[layers[-1]]]
    for name, own in by_layer.items():
        norms, ratios = ([row[key] for row in own] for key in ("gradient_norm", "update_ratio"))
        assert found.find("gradient_norm", "", "last", layer=name, epoch=4).value == norms[-1]
        assert found.find("update_ratio", "", "last", layer=name, epoch=4).value == ratios[-1]
        for key, values in (("gradient_norm_median", norms), ("update_ratio_median", ratios)):
            assert found.find(key, "", "", layer=name).value == pytest.approx(np.median(values), rel=1e-12)
        assert found.find("update_ratio_early", "", "", layer=name).value == ratios[0]
        assert found.find("gradient_ratio", "", "", layer=name).value == pytest.approx(
            np.median(np.array(norms) / last), rel=1e-12)


def test_training_numbers_of_the_course_are_those_of_metrics_csv(images):
    folder, found = images
    rows = table(folder, "metrics.csv")
    best = int(np.argmin([row["val_loss"] for row in rows]))
    assert found.find("num_epochs", "", "last").value == 4
    assert found.find("best_epoch").value == best + 1
    assert found.find("minimised_loss", "", "last").value == rows[-1]["train_loss"]
    for split in ("train_eval", "val"):
        assert found.find("epoch_loss", split, "best").value == rows[best][f"{split}_loss"]
        assert found.find("epoch_loss", split, "last").value == rows[-1][f"{split}_loss"]


def test_training_dead_units_are_those_of_the_checkpoint(images):
    folder, found = images
    own, weights = subject(folder), load(folder / "checkpoints" / "best.safetensors").tensors
    inputs = own.splits["train_eval"].inputs.flatten(1)
    hidden = inputs @ weights["model/layers.0.weight"].T + weights["model/layers.0.bias"]
    dead = float((hidden <= 0).all(dim=0).float().mean())
    item = found.find("dead_units", "train_eval", layer="layers.0")
    assert (item.value, item.n) == (dead, len(inputs))
    assert found.find("dead_units", "train_eval").value == dead
    assert dict(found.details) == {"num_units": {"layers.0": 32}}
    assert found.skipped == ()


def test_training_looks_for_idle_units_on_at_most_so_many_examples():
    folder = trained(*KINDS["images"], WATCHED)
    one, few = (make("report", "training", num_examples=count).measure(subject(folder)) for count in (1, 20))
    assert [item.n for item in one.every("dead_units")] == [1, 1]
    # On one example a unit that is 0 is dead.
    assert one.find("dead_units", "train_eval").value > few.find("dead_units", "train_eval").value


def test_training_of_a_run_that_did_not_keep_layers_says_so():
    found = make("report", "training").measure(subject(trained(*KINDS["table"])))
    assert found.every("gradient_norm") == []
    assert found.skipped[0].startswith("Gradients and updates of layers are not known: the run did not keep layers.csv")


def test_training_frozen_weights_are_undefined_and_say_why():
    folder = trained(*KINDS["images"], WATCHED, "model.freeze=layers.0.*")
    item = make("report", "training").measure(subject(folder)).find("update_ratio", "", "last", layer="layers.0",
                                                                    epoch=4)
    assert (item.value, item.method) == (None, "undefined: the weight was frozen, or the number is not finite")


# Runs that go wrong in a way of their own, and what is found.
WRONG = {
    "vanishing_gradient": ("model.depth=6", "model.width=16", "model.activation=sigmoid", "epochs=4"),
    "saturated_units": ("model.depth=3", "model.activation=tanh", "optimizer=sgd", "optimizer.lr=3", "epochs=8"),
    "dead_units": ("optimizer.lr=0.3", "epochs=4"),
    "small_updates": ("optimizer=sgd", "optimizer.lr=1e-4", "optimizer.momentum=0", "epochs=8"),
    "large_updates": ("model.depth=3", "model.activation=tanh", "optimizer=sgd", "optimizer.lr=3", "epochs=8"),
    "slow": ("model=lstm", "model.width=8", "epochs=4"),
}


def measured(folder, tmp_path):
    """Copy a run and measure it for its report."""
    path = copied(folder, tmp_path / "run")
    write_measures(path, "training", make("report", "training").measure(subject(path)))
    return read_run(path)


@pytest.mark.parametrize("kind", WRONG)
def test_diagnosis_of_a_run_that_goes_wrong_finds_it_and_its_commands_build(kind, tmp_path):
    found = diagnose_run(measured(trained(*WRONG[kind], WATCHED), tmp_path))
    assert kind in [item.kind for item in found.findings]
    assert all(item.commands for item in found.findings)
    for text in found.commands:
        assert_builds(text)


def test_diagnosis_of_a_healthy_run_finds_nothing_beside_it(images, tmp_path):
    assert diagnose_run(measured(images[0], tmp_path)).others == ()


def test_first_command_of_a_diagnosis_trains(tmp_path):
    found = diagnose_run(measured(trained(*WRONG["vanishing_gradient"], WATCHED), tmp_path))
    command = next(item for item in found.others if item.kind == "vanishing_gradient").commands[0]
    assert main([*shlex.split(command.text)[1:], f"runs_dir={tmp_path / 'again'}"]) == 0
    better = diagnose_run(read_run(only_run(tmp_path / "again")))
    assert "vanishing_gradient" not in [item.kind for item in better.findings]


def assert_builds(text):
    program, verb, *overrides = shlex.split(text)
    assert (program, verb) == ("dlx", "train")
    build(to_saved(compose("train", overrides)), [ANY_PACKAGE])


@pytest.mark.parametrize(("override", "refused"), [("optimizer=lbfgs", advice.clip), ("model=rnn", advice.activate)])
def test_advice_that_a_part_does_not_bear_is_not_given(override, refused):
    case = Case(History.of([]), None, saved(override), Status("done"), None, [override])
    asked = {advice.clip: lambda: advice.clip(case, ""), advice.activate: lambda: advice.activate(case, "leaky_relu",
                                                                                                 "")}
    assert asked.pop(refused)() is None
    (other,) = asked.values()
    command = other()
    if command is not None:
        assert_builds(command.text)
