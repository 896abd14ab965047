"""dlx ensemble: the mean of finished runs, beside its members, and as a model of evaluate and predict."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from cli_runs import copied, predictions, room, rows_of, summary, trained, values
from scipy.stats import bootstrap
from sklearn import metrics as sk
from sklearn.datasets import load_digits, load_iris

SMALL = ("epochs=2", "model.width=8", "metric=[accuracy,nll,macro_f1]", "split.seed=0")
REGRESSION = ("dataset=diabetes", "epochs=3", "model.width=8", "optimizer.lr=0.01", "split.seed=0")


def runs(*overrides: str, count: int = 3) -> list[Path]:
    """Runs that differ in their seed alone."""
    return [trained(*overrides, f"seed={seed}") for seed in range(count)]


def joined(dlx, *arguments: str | Path) -> tuple[Path, dict]:
    """Make an ensemble; return its folder and what was said."""
    result = dlx("ensemble", *map(str, arguments), "--json")
    assert (result.code, result.err) == (0, "")
    found = json.loads(result.out)
    return Path(found["folder"]), found


def test_ensemble_is_the_mean_of_its_members_probabilities(dlx, workdir):
    members = runs(*SMALL)
    folder, found = joined(dlx, *members, "runs_dir=out")
    for split in ("val", "test"):
        own, each = predictions(folder, split), [predictions(run, split) for run in members]
        probs = np.mean([one["probs"] for one in each], axis=0)
        np.testing.assert_allclose(own["probs"], probs, atol=1e-8)
        assert (own["id"] == each[0]["id"]).all()
        assert (own["prediction"] == probs.argmax(axis=1)).all()
        number = values(found["metrics"])
        assert number["accuracy", split] == sk.accuracy_score(own["target"], probs.argmax(axis=1))
        assert number["nll", split] == pytest.approx(sk.log_loss(own["target"], probs, labels=range(10)), rel=1e-6)
    assert {key: value for key, value in found.items() if key != "folder"} == summary(folder)
    # It has no loss: each member was trained on one of its own.
    assert {metric for metric, _ in values(found["metrics"])} == {"accuracy", "nll", "macro_f1"}


def test_gain_is_the_ensemble_minus_the_mean_of_its_members_with_a_paired_interval(dlx, workdir):
    members = runs(*SMALL)
    folder, found = joined(dlx, *members)
    each = [values(summary(run)["metrics"]) for run in members]
    gains = {(row["metric"], row["split"]): row for row in found["gain"]}
    for key, value in values(found["metrics"]).items():
        assert gains[key]["value"] == pytest.approx(value - np.mean([own[key] for own in each]), abs=1e-7)
    for number, run in enumerate(members):
        for row in found["members"][number]["metrics"]:
            assert row["value"] == pytest.approx(values(summary(run)["metrics"])[row["metric"], row["split"]], rel=1e-9)
    own = predictions(folder, "test")
    nats = [-np.log(one[np.arange(len(own["target"])), own["target"].astype(int)])
            for one in (own["probs"], *(predictions(run, "test")["probs"] for run in members))]
    expected = bootstrap(nats, lambda whole, *rest, axis: whole.mean(axis) - np.mean([one.mean(axis) for one in rest],
                                                                                     axis=0),
                         paired=True, vectorized=True, n_resamples=9999, rng=1).confidence_interval
    row = gains["nll", "test"]
    width = expected.high - expected.low
    assert (row["low"], row["high"]) == pytest.approx((expected.low, expected.high), abs=0.1 * width)
    assert row["method"] == "BCa bootstrap"
    assert gains["macro_f1", "test"]["low"] is None
    assert "undefined" in gains["macro_f1", "test"]["method"]
    assert gains["nll", "train_eval"]["method"] is None


def test_regressions_gain_what_their_members_vary(dlx, workdir):
    members = runs(*REGRESSION)
    folder, found = joined(dlx, *members)
    own, each = predictions(folder, "test"), [predictions(run, "test") for run in members]
    np.testing.assert_allclose(own["prediction"], np.mean([one["prediction"] for one in each], axis=0), rtol=1e-7)
    squares = [values(summary(run)["metrics"])["rmse", "test"] ** 2 for run in members]
    variance, = (row for row in found["diversity"] if row["split"] == "test")
    assert variance["metric"] == "variance"
    gain = np.mean(squares) - values(found["metrics"])["rmse", "test"] ** 2
    assert gain == pytest.approx(variance["value"], rel=1e-6)


@pytest.mark.parametrize("overrides", [SMALL, REGRESSION], ids=["classification", "regression"])
def test_ensemble_stands_alone_and_evaluate_takes_it(overrides, dlx, workdir):
    members = [copied(run, workdir) for run in runs(*overrides)]
    folder, found = joined(dlx, *members)
    for run in members:
        shutil.rmtree(run)
    for member, copy in zip(found["members"], sorted((folder / "members").iterdir()), strict=True):
        original = room() / Path(member["run"]).name / "checkpoints/best.safetensors"
        assert copy.read_bytes() == original.read_bytes()
    again = dlx("evaluate", str(folder), "--json")
    assert (again.code, again.err) == (0, "")
    assert json.loads(again.out) == {"checkpoint": folder.name, "level": 0.95, "metrics": found["metrics"]}
    assert [row["split"] for row in json.loads(dlx("evaluate", str(folder), "splits=[val]", "--json").out)["metrics"]
            ] == ["val"] * len({metric for metric, _ in values(found["metrics"])})
    table = rows_of(folder / "members.csv")
    assert [row["seed"] for row in table] == ["0", "1", "2"]


def test_predict_of_an_ensemble_is_the_mean_of_its_members_predictions(dlx, workdir):
    np.save("digits.npy", (load_digits().images / 16).astype(np.float32)[:, None])
    members = runs(*SMALL)
    folder, _ = joined(dlx, *members)
    rows = json.loads(dlx("predict", str(folder), "digits.npy", "--json").out)
    probs = np.array([[row[f"prob_{label}"] for label in range(10)] for row in rows])
    expected = predictions(folder, "test")
    np.testing.assert_allclose(probs[expected["id"]], expected["probs"], atol=1e-6)


def test_members_may_differ_in_model_and_preprocessing(dlx, workdir):
    one = trained(*SMALL, "seed=0")
    other = trained("epochs=2", "model=linear", "preprocessing=[minmax]", "split.seed=0", "metric=[accuracy]")
    folder, _ = joined(dlx, one, other)
    each = [predictions(run, "test")["probs"] for run in (one, other)]
    np.testing.assert_allclose(predictions(folder, "test")["probs"], np.mean(each, axis=0), atol=1e-6)


def test_ensemble_of_a_sweep_takes_its_done_runs(dlx, workdir):
    sweep = json.loads(dlx("sweep", "dataset=iris", "epochs=1", "metric=[accuracy]", "seed=0,1", "split.seed=0",
                           "workers=1", "--json").out)["folder"]
    folder, found = joined(dlx, sweep, "name=three")
    assert found["num_members"] == 2
    assert "-three-" in folder.name
    assert {Path(member["run"]).parent for member in found["members"]} == {Path(sweep) / "runs"}
    assert "ensemble" in dlx("ensemble", sweep).out


def test_runs_lists_an_ensemble_beside_runs(dlx, workdir):
    folder, found = joined(dlx, *runs(*SMALL))
    copied(trained(*SMALL, "seed=0"), workdir / "runs")
    rows = {row["run"]: row for row in json.loads(dlx("runs", "--json").out)}
    assert len(rows) == 2
    own = rows[folder.name]
    assert (own["status"], own["num_members"], own["metric"]) == ("done", 3, "accuracy")
    assert own["val"] == values(found["metrics"])["accuracy", "val"]
    assert "3 members" in dlx("runs").out
    (folder / "summary.json").write_text("{")
    assert {row["run"]: row["status"] for row in json.loads(dlx("runs", "--json").out)}[folder.name] == "damaged"


def test_ensemble_prints_members_ensemble_gain_and_diversity(dlx, workdir):
    result = dlx("ensemble", *map(str, runs(*SMALL)))
    assert (result.code, result.err) == (0, "")
    for text in ("1  digits-mlp seed 0", "mean of members", "gain in accuracy", "disagreement", "pairwise_kl",
                 "Ensemble folder"):
        assert text in result.out


def refused(dlx, *arguments: str | Path, code: int = 2) -> str:
    result = dlx("ensemble", *map(str, arguments))
    assert (result.code, result.out) == (code, "")
    assert not Path("runs").exists()
    return result.err


def test_ensemble_refuses_one_run_and_the_same_twice(dlx, workdir):
    run = trained(*SMALL, "seed=0")
    assert "an ensemble has at least two runs, each named once" in refused(dlx, run)
    assert "each named once" in refused(dlx, run, run)


def test_ensemble_refuses_runs_on_other_rows_or_other_data(dlx, workdir):
    run = trained(*SMALL, "seed=0")
    elsewhere = trained("epochs=2", "model.width=8", "metric=[accuracy]", "split.seed=1")
    assert f"{elsewhere} has other rows in train, val, test than {run}" in refused(dlx, run, elsewhere)
    iris = trained("dataset=iris", "epochs=1", "metric=[accuracy]", "split.seed=0")
    assert f"{iris} was trained on other data than {run}" in refused(dlx, run, iris)


def test_ensemble_refuses_members_that_learnt_other_labels(dlx, workdir):
    noisy = [trained(*SMALL, "dataset.label_noise=0.2", f"dataset.train_seed={seed}") for seed in range(2)]
    assert "they learnt other targets in train_eval" in refused(dlx, *noisy)


def test_ensemble_refuses_sequences_and_runs_that_are_not_over(dlx, workdir):
    sequences = [trained("dataset=copy", "model=window", "epochs=1", "metric=[token_accuracy]", "preprocessing=[]",
                         f"seed={seed}", "split.seed=0", "device.threads=1") for seed in range(2)]
    said = refused(dlx, *sequences)
    assert "these runs are for sequence; it is for classification, multilabel and regression" in said
    run, other = trained(*SMALL, "seed=0"), copied(trained(*SMALL, "seed=1"), workdir)
    status = json.loads((other / "status.json").read_text())
    (other / "status.json").write_text(json.dumps({**status, "status": "failed"}))
    assert f"{other} is failed, not done" in refused(dlx, run, other)
    assert "runs/none" in refused(dlx, run, "runs/none", code=3)


@pytest.mark.parametrize("damage", ["gone", "bit", "swapped"])
def test_a_damaged_ensemble_is_refused(damage, dlx, workdir):
    folder, _ = joined(dlx, *runs(*SMALL))
    first, second = folder / "members/001.safetensors", folder / "members/002.safetensors"
    if damage == "gone":
        first.unlink()
    elif damage == "bit":
        data = bytearray(first.read_bytes())
        data[len(data) // 2] ^= 1
        first.write_bytes(data)
    else:
        # Valid by itself, and another than the ensemble was made of.
        shutil.copy(trained(*SMALL, "seed=4") / "checkpoints/best.safetensors", second)
    for command, more in (("evaluate", ()), ("predict", ("new.npy",))):
        result = dlx(command, str(folder), *more)
        assert (result.code, result.out) == (3, "")
        assert "members/00" in result.err


def test_evaluate_of_an_ensemble_refuses_another_checkpoint(dlx, workdir):
    folder, _ = joined(dlx, *runs(*SMALL), "checkpoint=last")
    assert json.loads((folder / "ensemble.json").read_text())["checkpoint"] == "last"
    result = dlx("evaluate", str(folder), "checkpoint=best")
    assert (result.code, result.err) == (2, "dlx: checkpoint was chosen when the ensemble was made; leave it out\n")


def test_ensemble_predicts_rows_of_a_table(dlx, workdir):
    members = runs("dataset=iris", "epochs=1", "metric=[accuracy]", "split.seed=0", count=2)
    folder, _ = joined(dlx, *members)
    load_iris(as_frame=True).data.to_csv("flowers.csv", index=False)
    assert dlx("predict", str(folder), "flowers.csv", "-o", "said.csv", "--abstain-below=0.5").code == 0
    assert len(rows_of(Path("said.csv"))) == 150


def test_labels_have_the_mean_of_their_probabilities(dlx, workdir):
    members = runs("dataset=digit_sets", "epochs=2", "split.seed=0", count=2)
    folder, found = joined(dlx, *members)
    own, *each = (np.array([[float(cell) for name, cell in row.items() if name.startswith("prob_")]
                            for row in rows_of(path / "predictions.csv")]) for path in (folder, *members))
    np.testing.assert_allclose(own, np.mean(each, axis=0), atol=1e-8)
    gains = {(row["metric"], row["split"]): row for row in found["gain"]}
    assert gains["label_accuracy", "test"]["method"] == "BCa bootstrap"
    assert {row["metric"] for row in found["diversity"]} == {"disagreement", "pairwise_kl"}
