"""Tasks of labels: losses, scores, members, checks, files, further rows. N examples, C labels."""

from __future__ import annotations

import csv
import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from member_runs import assert_equals_solo, one
from part_files import make, parts
from sklearn.metrics import accuracy_score, f1_score, hamming_loss
from small_runs import InMemory, session, table, train

from dlx.cli.main import main
from dlx.core.errors import ConfigError
from dlx.core.types import Arrays, SplitIds, TaskSpec
from dlx.engine.learnable import check_classes
from dlx.hygiene.data import one_target
from dlx.record import layout
from dlx.record.measures import read_section
from dlx.record.safe_yaml import read_json
from dlx.report.render import render

METRICS = {name: make("metric", name) for name in ("label_accuracy", "label_macro_f1", "label_micro_f1",
                                                   "subset_accuracy")}
OVERRIDES = ("batch_size=16", "epochs=3", "model.width=6", "optimizer.lr=0.03", "device.precision=float64", "loss=bce",
             "dataset=digit_sets", "preprocessing=[standardize]", "model=mlp", "metric=[label_accuracy]")
NAMES = ("low", "high", "odd")


def labelled(num_rows=150):
    """Columns with a signal, and three labels that it tells."""
    inputs = table("regression", num_rows).arrays.inputs
    sums = (inputs - 3.0)[:, :2] / np.array([1.0, 10.0])
    targets = np.stack([sums[:, 0] < -0.3, sums[:, 0] > 0, sums[:, 1] > 0.5], axis=1).astype(np.int64)
    spec = TaskSpec("multilabel", "table", (6,), 3, NAMES)
    rows = np.arange(num_rows)
    return InMemory(spec, Arrays(inputs, targets, rows[num_rows * 4 // 5 :], {"pool": rows}))


def made(**changes):
    return replace(parts(*OVERRIDES), **{"dataset": labelled(), "metrics": METRICS, **changes})


def test_labels_are_measured_as_by_hand():
    built = session(made())
    split = built.data.splits["val"]
    probs = built.model(split.inputs).detach().sigmoid().numpy()
    truths, said = split.targets.numpy(), probs > 0.5
    nats = -np.where(truths == 1, np.log(probs), np.log(1 - probs)).mean()
    expected = {"loss": nats, "label_accuracy": 1 - hamming_loss(truths, said),
                "subset_accuracy": accuracy_score(truths, said)}
    assert built.measure(split) == pytest.approx(expected, rel=1e-9)
    outcome = built.predict(split).outcome
    np.testing.assert_allclose(outcome.scores, probs, rtol=1e-9)
    assert METRICS["label_macro_f1"].value(outcome) == pytest.approx(f1_score(truths, said, average="macro"))
    assert METRICS["label_micro_f1"].value(outcome) == pytest.approx(f1_score(truths, said, average="micro"))


def test_labels_members_equal_the_runs_alone():
    kept = assert_equals_solo([one(*OVERRIDES, f"seed={seed}", data=labelled(), metrics=METRICS) for seed in range(3)])
    assert kept[0].rows[-1]["val_loss"] < kept[0].rows[0]["val_loss"]


def test_labels_run_leaves_targets_and_probabilities_of_each_and_a_report(tmp_path):
    folder = train(made(), tmp_path / "run")
    with open(folder / layout.PREDICTIONS, newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["split", "id", *(f"target_{name}" for name in NAMES), *(f"prob_{name}" for name in NAMES)]
    summary = {(row["metric"], row["split"]): row["value"] for row in read_json(folder / layout.SUMMARY)["metrics"]}
    frame = pd.DataFrame(rows)
    for split in ("val", "test"):
        own = frame[frame.split == split]
        truths, probs = (own[[f"{what}_{name}" for name in NAMES]].astype(float).to_numpy()
                         for what in ("target", "prob"))
        assert np.array_equal(truths, labelled().arrays.targets[own.id.astype(int)])
        assert ((probs > 0.5) == truths).mean() == pytest.approx(summary["label_accuracy", split])
    sections = {part.key: part for section in render(folder).document.sections for part in (section, *section.parts)}
    assert not {"confusion", "calibration", "residuals"} & sections.keys()
    found = {own["label"]: own for own in sections["labels"].values["test"]}
    there = {name: frame[frame.split == "test"][f"target_{name}"].astype(int).sum() for name in NAMES}
    assert {name: own["there"] for name, own in found.items()} == there


@pytest.mark.parametrize("key", ["label_noise", "imbalance"])
def test_labels_are_refused_by_changes_of_classes(key):
    with pytest.raises(ConfigError, match=rf"dataset.{key} is for classification, and this is a multilabel"):
        session(replace(made(), train_rows=parts(*OVERRIDES, f"dataset.{key}={0.5 if key == 'label_noise' else 2}")
                        .train_rows))


def test_labels_are_shuffled_and_thinned_as_other_targets():
    changed = parts(*OVERRIDES, "dataset.shuffle_labels=true", "dataset.train_fraction=0.5").train_rows
    built = session(made(train_rows=changed))
    split = built.data.splits["train"]
    before = labelled().arrays.targets
    assert len(split.ids) < 60
    assert sorted(split.targets.tolist()) == sorted(before[split.ids].tolist())
    assert built.data.num_changed == (split.targets.numpy() != before[split.ids]).any(axis=1).sum() > 0


def test_labels_that_train_never_shows_are_refused():
    spec = labelled().task
    targets = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 0, 0]])
    ids = SplitIds(np.array([0, 1]), np.array([2]), np.array([3]))
    with pytest.raises(ConfigError, match=r"val has 1 rows of labels that train never shows \(odd\)"):
        check_classes(ids, targets, spec)
    with pytest.raises(ConfigError, match="the train rows all have the same labels"):
        check_classes(ids, np.ones_like(targets), spec)


def test_labels_of_a_row_count_as_one_target_where_rows_are_compared():
    targets = np.array([[0, 1], [1, 0], [0, 1], [1, 1]])
    codes = one_target(targets, "multilabel")
    assert [codes[0] == code for code in codes] == [True, False, True, False]
    assert one_target(targets, "sequence") is None


def test_labels_of_several_columns_of_a_table_are_learnt_checked_and_predicted(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    data = labelled().arrays
    frame = pd.DataFrame(data.inputs, columns=[f"x{number}" for number in range(6)])
    frame[list(NAMES)] = data.targets
    frame["odd"] = frame["odd"] == 1
    frame.to_csv("rows.csv", index=False)
    common = ["dataset=csv", "dataset.path=rows.csv", f"dataset.target=[{','.join(NAMES)}]", "model=linear", "epochs=2",
              "device=cpu", "device.threads=1"]
    assert main(["train", *common]) == 2
    assert ("loss=cross_entropy is for classification and sequence, metric=[accuracy,nll,top_k,macro_f1,roc_auc] is "
            "for classification, dataset=csv is a multilabel; use loss=bce metric=[label_accuracy,label_macro_f1,"
            "label_micro_f1,subset_accuracy]") in " ".join(capsys.readouterr().err.split())
    assert main(["train", *common, "loss=bce", "metric=[label_accuracy,subset_accuracy]"]) == 0
    (run,) = (path for path in (tmp_path / "runs").iterdir() if (path / layout.SUMMARY).is_file())
    assert read_json(run / layout.SUMMARY)["class_names"] == list(NAMES)
    assert read_section(run, "data").find("conflicting_rows", checkpoint="").value == 0
    capsys.readouterr()
    frame.drop(columns=list(NAMES)).head(9).to_csv("more.csv", index=False)
    assert main(["predict", str(run), "more.csv", "--json", "device=cpu"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert len(rows) == 9
    for row in rows:
        assert list(row) == ["id", "prediction", *(f"prob_{name}" for name in NAMES)]
        assert row["prediction"] == [name for name in NAMES if row[f"prob_{name}"] > 0.5]
    assert main(["predict", str(run), "more.csv", "device=cpu"]) == 0
    first = next(csv.DictReader(capsys.readouterr().out.splitlines()))
    assert first["prediction"] == " ".join(rows[0]["prediction"])


@pytest.mark.parametrize(("settings", "problem"), [
    ({"target": ["a", "c"]}, "hold 0 and 1 each, whether a row has the label, and c holds '2' in "),
    ({"target": ["a", "b"], "task": "classification"}, "dataset.task=classification is of one target column, and "
                                                       "dataset.target names 2"),
    ({"target": ["a", "a"]}, "dataset.target names a twice"),
    ({"target": []}, "dataset.target must name a column or several, got []"),
    ({"target": ["a", "d"]}, "dataset.target names d, and "),
])
def test_labels_that_columns_cannot_be_are_refused(settings, problem, tmp_path):
    pd.DataFrame({"x": range(6), "a": [0, 1] * 3, "b": [1, 1, 0] * 2, "c": [0, 1, 2] * 2}).to_csv(
        tmp_path / "t.csv", index=False)
    with pytest.raises(ConfigError) as refused:
        make("dataset", "csv", path=str(tmp_path / "t.csv"), **settings).load("")
    assert problem in str(refused.value)


def test_labels_may_be_arrays(tmp_path):
    data = labelled().arrays
    path = tmp_path / "rows.npz"
    np.savez(path, inputs=data.inputs, targets=data.targets)
    arrays = make("dataset", "arrays", path=str(path), task="multilabel").load("")
    assert (arrays.spec.kind, arrays.spec.num_outputs, arrays.spec.class_names) == ("multilabel", 3, ("0", "1", "2"))
    assert np.array_equal(arrays.targets, data.targets)
    with pytest.raises(ConfigError, match=r"of labels say dataset\.task=multilabel"):
        make("dataset", "arrays", path=str(path)).load("")
    np.savez(path, inputs=data.inputs, targets=data.targets + 1)
    with pytest.raises(ConfigError, match=r"of labels it is 1 where one holds, and else 0"):
        make("dataset", "arrays", path=str(path), task="multilabel").load("")


def test_digit_sets_show_the_digits_that_they_say_and_pools_share_none():
    arrays = make("dataset", "digit_sets", num_examples=200, num_test=40).load("")
    quarters = arrays.inputs.reshape(-1, 2, 8, 2, 8).swapaxes(2, 3).reshape(len(arrays.inputs), 4, 64)
    known = make("dataset", "digits").load("")
    images = [image.tobytes() for image in known.inputs.reshape(-1, 64)]
    label_of = dict(zip(images, known.targets, strict=True))
    pool_of = {}
    for pictures, target, pool in zip(quarters, arrays.targets, arrays.notes["pool"], strict=True):
        shown = [image.tobytes() for image in pictures if image.any()]
        assert {label_of[image] for image in shown} == set(np.flatnonzero(target))
        assert all(pool_of.setdefault(image, pool) == pool for image in shown)
    rest = np.setdiff1d(np.arange(240), arrays.test_ids)
    assert not set(arrays.notes["pool"][arrays.test_ids]) & set(arrays.notes["pool"][rest])
    assert torch.tensor(arrays.targets).any(dim=1).all()
