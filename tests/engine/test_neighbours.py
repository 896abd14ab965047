"""Losses that compare examples: measured beside the train examples, whatever is computed together. E features."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from part_files import make, parts
from sklearn.neighbors import KNeighborsClassifier
from small_runs import digits, session, train

from dlx.cli.main import main
from dlx.core.errors import ConfigError
from dlx.engine import evaluate
from dlx.engine.evaluate import beside_train, measure, predict
from dlx.engine.feed import feed
from dlx.record import layout
from dlx.record.safe_yaml import read_json

OVERRIDES = ("loss=triplet", "loss.embedding_width=7", "batch_size=32", "epochs=2", "metric=[accuracy,nll]",
             "device.precision=float64")


def made(*overrides):
    return replace(parts(*OVERRIDES, *overrides), dataset=digits(200, own_test=True))


def embeddings(built):
    return {name: (built.model(split.inputs).detach().numpy(), split.targets.numpy())
            for name, split in built.data.splits.items()}


def test_neighbours_of_train_vote_as_in_scikit_learn_and_train_leaves_itself_out():
    built = session(made())
    known = embeddings(built)
    assert known["train"][0].shape[1] == 7
    values, classes = known["train"]
    evaluator = beside_train(built.evaluator)
    twin = KNeighborsClassifier(5).fit(values, classes)
    (val,) = measure(evaluator, built.state.group.feeds["val"])
    assert val["accuracy"] == pytest.approx(twin.score(*known["val"]), abs=1e-12)
    rows = np.arange(len(values))
    left_out = [KNeighborsClassifier(5).fit(values[rows != row], classes[rows != row]).predict(values[[row]])[0]
                for row in rows]
    (train_eval,) = measure(evaluator, built.state.group.feeds["train"])
    assert train_eval["accuracy"] == pytest.approx(np.mean(left_out == classes), abs=1e-12)


@pytest.mark.parametrize("elements", [1, 64 * 7, 2**20])
def test_neighbours_do_not_depend_on_what_is_computed_together(elements, monkeypatch):
    whole = session(made())
    expected = measure(beside_train(whole.evaluator), whole.state.group.feeds["val"])
    monkeypatch.setattr(evaluate, "CHUNK_ELEMENTS", elements)
    built = session(made())
    (found,) = measure(beside_train(built.evaluator), built.state.group.feeds["val"])
    assert found == pytest.approx(expected[0], rel=1e-9)


def test_neighbours_are_streamed_as_they_are_predicted():
    built = session(made())
    evaluator = beside_train(built.evaluator)
    for name in ("train", "val", "test"):
        split = feed([built.data.splits[name]])
        (streamed,) = measure(evaluator, split)
        examples = predict(evaluator, split, built.data.targets)
        assert streamed["loss"] == pytest.approx(examples.losses.mean(), rel=1e-9)
        assert streamed["nll"] == pytest.approx(built.parts.metrics["nll"].value(examples.outcome), rel=1e-9)


def test_neighbours_in_metrics_csv_are_those_of_the_summary(tmp_path):
    folder = train(made("selection=last"), tmp_path / "run")
    last = pd.read_csv(folder / layout.METRICS).iloc[-1]
    summary = {(row["metric"], row["split"]): row["value"] for row in read_json(folder / layout.SUMMARY)["metrics"]}
    for metric in ("loss", "accuracy", "nll"):
        for split in ("train_eval", "val"):
            assert last[f"{split}_{metric}"] == pytest.approx(summary[metric, split], rel=1e-7)
    assert last["val_accuracy"] > 0.3


@pytest.mark.parametrize(("override", "divides"), [("device.processes=2", "device.processes=2"),
                                                   ("accumulation_steps=2", "accumulation_steps=2")])
def test_neighbours_of_a_batch_that_is_divided_are_refused(override, divides):
    with pytest.raises(ConfigError, match=f"loss=triplet compares the examples of a batch, which {divides} divides"):
        parts(*OVERRIDES, override)


def test_neighbours_are_found_again_to_evaluate_and_to_predict(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    draw = np.random.default_rng(0)
    frame = pd.DataFrame(draw.normal(size=(120, 3)), columns=list("xyz"))
    frame["class"] = np.where(frame.x + frame.y > 0, "up", "down")
    frame.to_csv("rows.csv", index=False)
    assert main(["train", "dataset=csv", "dataset.path=rows.csv", "dataset.target=class", "loss=triplet", "epochs=2",
                 "model=linear", "metric=[accuracy,nll]", "device=cpu", "device.threads=1"]) == 0
    (run,) = (path for path in (tmp_path / "runs").iterdir() if (path / layout.SUMMARY).is_file())
    summary = {(row["metric"], row["split"]): row["value"] for row in read_json(run / layout.SUMMARY)["metrics"]}
    capsys.readouterr()
    assert main(["evaluate", str(run), "splits=[train_eval,val,test]", "device=cpu", "--json"]) == 0
    again = {(row["metric"], row["split"]): row["value"] for row in json.loads(capsys.readouterr().out)["metrics"]}
    assert again == pytest.approx(summary, rel=1e-9)
    # The rows of val, as new ones.
    said = pd.read_csv(run / layout.PREDICTIONS).query("split == 'val'")
    frame.drop(columns="class").iloc[said.id].to_csv("more.csv", index=False)
    assert main(["predict", str(run), "more.csv", "device=cpu", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    np.testing.assert_allclose([row["prob_up"] for row in rows], said.prob_up, rtol=1e-6)
    frame.iloc[:100].to_csv("rows.csv", index=False)
    assert main(["predict", str(run), "more.csv", "device=cpu"]) == 3
    assert "the data differs from what the run was trained on" in " ".join(capsys.readouterr().err.split())


def test_neighbours_need_the_loss_to_say_how_many_outputs_there_are():
    built = session(made("model=linear"))
    assert built.model.head.out_features == 7
    assert make("loss", "triplet").num_outputs(built.data.spec) == 32
