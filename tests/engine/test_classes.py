"""Runs on some classes of a dataset. N rows of it."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from part_files import parts, saved
from small_runs import digits, train

from dlx.cli.main import main
from dlx.core.errors import ConfigError
from dlx.core.types import TaskSpec
from dlx.engine.classes import Classes
from dlx.engine.data import prepare
from dlx.record.safe_yaml import read_json

SPEC = TaskSpec("classification", "table", (3,), 4, ("ant", "bee", "cat", "dog"))
TARGETS = np.array([3, 0, 1, 2, 3, 1, 0])


def prepared(*overrides, dataset=None):
    made = parts("epochs=2", "device.threads=1", *overrides)
    made = made if dataset is None else replace(made, dataset=dataset)
    return prepare(made, "none", made.device.place(0.0))


def test_classes_that_are_kept_are_renumbered_in_the_order_of_the_dataset():
    found = Classes(["dog", "bee"])(TARGETS, SPEC)
    assert found.rows.tolist() == [0, 2, 4, 5]
    assert found.targets[found.rows].tolist() == [1, 0, 1, 0]
    assert (found.spec.class_names, found.spec.num_outputs) == (("bee", "dog"), 2)
    assert Classes(["bee", "dog"])(TARGETS, SPEC).targets.tolist() == found.targets.tolist()


def test_classes_null_keeps_everything():
    assert Classes(None)(TARGETS, SPEC) is None
    assert Classes(None).spec(SPEC) is SPEC


@pytest.mark.parametrize("names", [[], ["cat"], ["cat", "cat"], ["cat", "cow"], ["cat", 3]])
def test_classes_that_are_too_few_or_unknown_are_refused_with_those_there_are(names):
    with pytest.raises(ConfigError, match=r"two or more different ones of ant, bee, cat, dog; got"):
        Classes(names).spec(SPEC)


def test_classes_are_for_classification():
    with pytest.raises(ConfigError, match="this is a regression; leave it out"):
        parts("dataset=diabetes", "loss=mse", "metric=[rmse]", "dataset.classes=[0,1]")
    with pytest.raises(ConfigError, match=r"dataset\.classes must be a list or null, got 5"):
        parts("dataset.classes=5")


def test_classes_leave_no_row_of_another_in_any_split_and_keep_row_numbers():
    whole, some = prepared(), prepared("dataset.classes=[7,2,9]")
    known = {}
    for split in whole.splits.values():
        known |= dict(zip(split.ids.tolist(), split.targets.tolist(), strict=True))
    assert {name: sorted(set(split.targets.tolist())) for name, split in some.splits.items()} == {
        name: [0, 1, 2] for name in ("train", "val", "test")}
    rows = [row for split in some.splits.values() for row in split.ids.tolist()]
    assert sorted(rows) == sorted(row for row, target in known.items() if target in (2, 7, 9))
    for split in some.splits.values():
        assert [(2, 7, 9)[target] for target in split.targets.tolist()] == [known[row] for row in split.ids.tolist()]
    assert some.spec.class_names == ("2", "7", "9")
    assert some.fingerprint == whole.fingerprint


def test_classes_keep_the_own_test_set_of_a_dataset_its_own():
    data = digits(400, own_test=True)
    found = prepared("dataset.classes=[0,1,2,3,4]", "split=predefined", dataset=data)
    kept = data.arrays.test_ids[data.arrays.targets[data.arrays.test_ids] < 5]
    assert found.splits["test"].ids.tolist() == kept.tolist()


def test_classes_leave_preprocessing_and_baselines_to_the_rows_that_are_kept():
    found = prepared("dataset.classes=[0,1]")
    inputs = found.splits["train"].inputs
    assert abs(float(inputs.mean())) < 1e-4
    assert found.statistics.keys() == {"standardize"}


def test_classes_run_reports_the_classes_that_are_left(tmp_path):
    folder = train(parts("dataset.classes=[3,8]", "epochs=3", "device.threads=1"), tmp_path / "run", digits(400))
    summary = read_json(folder / "summary.json")
    assert summary["class_names"] == ["3", "8"]
    written = pd.read_csv(folder / "predictions.csv", comment="#")
    assert {"prob_3", "prob_8"} <= set(written.columns)
    assert read_json(folder / "summary.json")["num_changed_labels"] == 0


def test_classes_go_with_label_noise_and_fractions():
    found = prepared("dataset.classes=[3,8]", "dataset.label_noise=0.2", "dataset.train_fraction=0.5")
    assert found.num_changed == round(0.2 * len(found.splits["train"].ids))
    assert set(found.splits["train"].targets.tolist()) == {0, 1}


def test_classes_null_is_the_configuration_of_before():
    assert saved()["dataset"]["classes"] is None


def test_inspect_shows_the_classes_that_are_kept(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["data", "inspect", "dataset=digits", "dataset.classes=[3,8]", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["profile"]["class_names"] == ["3", "8"]
    assert found["profile"]["num_rows"] == 357
