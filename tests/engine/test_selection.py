"""Which weights are kept: those of the epoch that the named rule prefers in metrics.csv."""

from dataclasses import replace

import pytest
import torch
from part_files import parts
from small_runs import best, digits, equal_tensors, metrics, train

from dlx.core.errors import ConfigError
from dlx.engine import history
from dlx.record.checkpoint import load
from dlx.record.safe_yaml import read_json

# Few examples, many epochs and a high lr: val gets worse again, and accuracies are often equal.
OVERFIT = ("batch_size=8", "optimizer=sgd", "optimizer.lr=0.2", "optimizer.momentum=0", "model.width=16")
DATA = digits(80, own_test=True)


def made(*overrides, epochs=25):
    return replace(parts(*OVERFIT, f"epochs={epochs}", *overrides), dataset=DATA)


def section(tensors, prefix):
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


@pytest.mark.parametrize(("rule", "column", "greater_is_better"), [
    ("best_val_loss", "val_loss", False), ("best_val_nll", "val_nll", False),
    ("best_val_accuracy", "val_accuracy", True),
    ("best_val_top_k", "val_top_k", True)])
def test_selection_keeps_the_earliest_of_the_best_epochs(rule, column, greater_is_better, tmp_path):
    path = train(made(f"selection={rule}"), tmp_path / "run")
    values = metrics(path)[column]
    epoch = int(values.idxmax() if greater_is_better else values.idxmin()) + 1
    assert epoch < len(values)
    if column == "val_top_k":
        assert (values == values[epoch - 1]).sum() > 1
    kept = best(path)
    assert kept.state["selected"]["epoch"] == epoch
    assert read_json(path / "summary.json")["selection"] == {"rule": rule, "epoch": epoch,
                                                             "step": int(metrics(path)["step"][epoch - 1])}
    shorter = train(made("selection=last", epochs=epoch), tmp_path / "shorter")
    assert equal_tensors(section(kept.tensors, "model/"), section(best(shorter).tensors, "model/"))


def test_selection_last_keeps_the_last_weights(tmp_path):
    path = train(made("selection=last"), tmp_path / "run")
    last = load(path / "checkpoints" / "last.safetensors").tensors
    assert best(path).state["selected"]["epoch"] == 25
    assert equal_tensors(section(best(path).tensors, "model/"), section(last, "model/"))
    assert equal_tensors(section(last, "best/"), section(last, "model/"))


def test_selection_does_not_change_training(tmp_path):
    tables = [(train(made(f"selection={rule}"), tmp_path / rule) / "metrics.csv").read_bytes()
              for rule in ("last", "best_val_loss", "best_val_accuracy")]
    assert tables[0] == tables[1] == tables[2]


def test_selection_summary_is_measured_at_the_kept_weights(tmp_path):
    path = train(made(), tmp_path / "run")
    row = metrics(path).loc[best(path).state["selected"]["epoch"] - 1]
    summary = {(item["metric"], item["split"]): item["value"] for item in read_json(path / "summary.json")["metrics"]}
    for name in ("loss", "accuracy", "nll", "top_k"):
        for split in ("train_eval", "val"):
            assert summary[name, split] == pytest.approx(row[f"{split}_{name}"], rel=1e-5)
    gaps = {(item["metric"], item["split"]): item["value"] for item in read_json(path / "summary.json")["gaps"]}
    for (name, split), value in gaps.items():
        if value is None:
            assert None in (summary[name, split], summary[name, "train_eval"])
        else:
            assert value == pytest.approx(summary[name, split] - summary[name, "train_eval"], abs=1e-12)


@pytest.mark.parametrize("rule", ["best_test_loss", "best_test_accuracy", "best_train_loss", "best_val_roc_auc",
                                  "best_gap_loss", "val_loss", "best", "first", "best_val_"])
def test_selection_on_anything_but_val_is_refused(rule):
    with pytest.raises(ConfigError) as refused:
        parts(f"selection={rule}")
    assert str(refused.value) == ("selection must be one of best_val_loss, best_val_accuracy, best_val_nll, "
                                  f"best_val_top_k, last, got {rule!r}")


COLUMNS = {"val_loss": False, "val_accuracy": True}


@pytest.mark.parametrize(("rule", "new", "old", "preferred"), [
    ("best_val_loss", 1.0, 2.0, True), ("best_val_loss", 2.0, 1.0, False), ("best_val_loss", 1.0, 1.0, False),
    ("best_val_accuracy", 0.5, 0.4, True), ("best_val_accuracy", 0.4, 0.5, False),
    ("best_val_accuracy", 0.5, 0.5, False),
    ("best_val_accuracy", None, 0.5, False), ("last", None, 0.5, True), ("last", 0.1, 0.5, True)])
def test_selection_prefers_what_is_strictly_better(rule, new, old, preferred):
    column = rule.removeprefix("best_")
    assert history.prefers(rule, COLUMNS, {column: new}, {column: old}) is preferred


def test_selection_of_the_first_measured_row_needs_a_value():
    assert history.prefers("best_val_loss", COLUMNS, {"val_loss": 1.0}, None) is True
    assert history.prefers("best_val_loss", COLUMNS, {"val_loss": None}, None) is False
    assert history.prefers("last", COLUMNS, {"val_loss": None}, None) is True


def test_selection_best_weights_are_copies_that_training_does_not_touch(tmp_path):
    path = train(made(), tmp_path / "run")
    last = load(path / "checkpoints" / "last.safetensors").tensors
    best_in_last, weights = section(last, "best/"), section(last, "model/")
    assert equal_tensors(best_in_last, section(best(path).tensors, "model/"))
    assert not any(torch.equal(best_in_last[name], weights[name]) for name in weights)
