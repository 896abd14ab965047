"""Test is opened once, at the end: poisoned test rows change nothing but their own measurement."""

from dataclasses import replace

import numpy as np
import pytest
from part_files import parts
from small_runs import best, digits, equal_tensors, metrics, table, train

from dlx.core.types import Rows
from dlx.record.checkpoint import load
from dlx.record.safe_yaml import read_json

CASES = {
    "image": (("model=cnn", "model.width=4", "regularizer=[early_stopping,dropout]",
               "regularizer.early_stopping.patience=2", "optimizer.lr=0.03", "epochs=30"), digits(120, own_test=True)),
    "table": (("dataset=breast_cancer", "preprocessing=[minmax,standardize]", "epochs=4"),
              table("classification", own_test=True)),
    "regression": (("dataset=diabetes", "epochs=4"), table("regression", own_test=True)),
}


def poisoned(data):
    """Test inputs of 1e9 and of noise, test targets permuted or far away."""
    inputs, targets, rows = data.arrays.inputs.copy(), data.arrays.targets.copy(), data.arrays.test_ids
    inputs[rows] = np.random.default_rng(0).normal(0, 1e4, inputs[rows].shape)
    inputs[rows[0]] = 1e9
    targets[rows] = targets[rows][::-1] if data.spec().kind == "classification" else -1e6
    return data.with_arrays(inputs=inputs, targets=targets)


@pytest.fixture(scope="module", params=CASES)
def pair(request, tmp_path_factory):
    overrides, data = CASES[request.param]
    made, folder = parts(*overrides), tmp_path_factory.mktemp(request.param)
    return [train(replace(made, dataset=which), folder / name)
            for name, which in (("clean", data), ("poisoned", poisoned(data)))]


def test_test_rows_poisoned_leave_the_history_the_same_bytes(pair):
    clean, bad = pair
    assert (clean / "metrics.csv").read_bytes() == (bad / "metrics.csv").read_bytes()
    assert len(metrics(clean)) > 1


@pytest.mark.parametrize("name", ["initial", "best", "last"])
def test_test_rows_poisoned_leave_weights_and_statistics_the_same_bytes(pair, name):
    clean, bad = (load(path / "checkpoints" / f"{name}.safetensors") for path in pair)
    assert any(key.startswith("preprocessing/") for key in clean.tensors)
    assert equal_tensors(clean.tensors, bad.tensors)
    assert clean.state.get("selected") == bad.state.get("selected")


def test_test_rows_poisoned_change_the_measurement_of_test_alone(pair):
    clean, bad = (read_json(path / "summary.json") for path in pair)
    assert clean["selection"] == bad["selection"]
    assert clean["stop_reason"] == bad["stop_reason"]
    for one, other in zip(clean["metrics"], bad["metrics"], strict=True):
        assert (one == other) == (one["split"] != "test") or one["metric"] in ("top_k", "roc_auc")
    ours, theirs = ([line for line in (path / "predictions.csv").read_text().splitlines() if line.startswith("val,")]
                    for path in pair)
    assert ours == theirs


def test_test_rows_are_not_in_the_columns_of_the_history(pair):
    assert [name for name in metrics(pair[0]).columns if "test" in name] == []


def test_val_rows_poisoned_leave_train_the_same_and_choose_other_weights(tmp_path):
    overrides, data = CASES["table"]
    made = parts(*overrides, "selection=last")
    rows = made.split(Rows(data.arrays.targets, "classification", data.arrays.test_ids)).val
    inputs = data.arrays.inputs.copy()
    inputs[rows] = 1e9
    clean, bad = (train(replace(made, dataset=which), tmp_path / name)
                  for name, which in (("clean", data), ("bad", data.with_arrays(inputs=inputs))))
    columns = [name for name in metrics(clean).columns if not name.startswith(("val_", "gap_"))]
    assert metrics(clean)[columns].equals(metrics(bad)[columns])
    assert not metrics(clean)["val_loss"].equals(metrics(bad)["val_loss"])
    assert equal_tensors(best(clean).tensors, best(bad).tensors)
