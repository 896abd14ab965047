"""dlx evaluate RUN dataset=NAME: a run on another dataset, by hand; what does not fit it; what its folder keeps."""

from __future__ import annotations

import json

import numpy as np
import pytest
from cli_runs import CLASSIFICATION, REGRESSION, copied, mlp_outputs, summary, trained, values
from sklearn.datasets import load_diabetes, load_digits
from statsmodels.stats.proportion import confint_proportions_2indep


def shifted():
    """Digits moved a pixel to the right, and their classes."""
    data = load_digits()
    images = np.zeros((len(data.images), 1, 8, 8), np.float32)
    images[:, 0, :, 1:] = data.images[:, :, :-1] / 16
    return images, data.target


@pytest.fixture
def other(tmp_path):
    """An .npz file of moved digits."""
    images, targets = shifted()
    np.savez(tmp_path / "moved.npz", inputs=images, targets=targets)
    return "moved.npz"


def measured(dlx, *arguments):
    result = dlx("evaluate", *arguments, "--json")
    assert (result.code, result.err) == (0, "")
    return json.loads(result.out)


def files_of(run):
    return {path.relative_to(run): path.read_bytes() for path in run.rglob("*") if path.is_file()}


def test_other_data_is_measured_with_the_statistics_of_the_run(dlx, tmp_path, other):
    run, (images, targets) = copied(trained(*CLASSIFICATION), tmp_path), shifted()
    found = measured(dlx, str(run), "dataset=arrays", f"dataset.path={other}", "level=0.9")
    by_name = {row["metric"]: row for row in found["metrics"]}
    right = (mlp_outputs(run, "best", images[:, 0]).argmax(axis=1) == targets).sum()
    accuracy = by_name["accuracy"]
    assert accuracy["value"] == right / len(targets)
    assert accuracy["n"] == 1797
    own = values(summary(run)["metrics"])
    assert {name: row["own_test"]["value"] for name, row in by_name.items()} == {
        name: own[name, "test"] for name in by_name}
    hits = round(own["accuracy", "test"] * accuracy["own_test"]["n"])
    bounds = confint_proportions_2indep(right, 1797, hits, accuracy["own_test"]["n"], method="newcomb", alpha=0.1)
    assert accuracy["difference"]["value"] == pytest.approx(accuracy["value"] - own["accuracy", "test"])
    assert (accuracy["difference"]["low"], accuracy["difference"]["high"]) == pytest.approx(bounds, abs=1e-9)


def test_other_data_is_written_into_the_run_and_its_report(dlx, tmp_path, other):
    run = copied(trained(*CLASSIFICATION), tmp_path)
    before = files_of(run)
    for _ in range(2):
        dlx("evaluate", str(run), "dataset=arrays", f"dataset.path={other}", "level=0.9")
    after = files_of(run)
    added = {str(path) for path in after.keys() - before.keys() if path.name != "run.lock"}
    assert len(added) == 1, "the same again replaces it"
    assert next(iter(added)).startswith("measures/shift__arrays_")
    changed = {path.parts[0] for path in before if after[path] != before[path]}
    assert changed <= {"report"}
    report = (run / "report/report.md").read_text()
    assert "### Other datasets" in report
    assert "On arrays moved.npz, accuracy is" in report
    assert (run / "report/report.json").read_text().count("other_difference") > 1


def test_other_data_at_another_level_and_checkpoint_is_compared_at_that(dlx, tmp_path, other):
    run = copied(trained(*CLASSIFICATION), tmp_path)
    own = {row["metric"]: row for row in json.loads(
        dlx("evaluate", str(run), "checkpoint=last", "level=0.5", "splits=[test]", "--json").out)["metrics"]}
    found = measured(dlx, str(run), "dataset=arrays", f"dataset.path={other}", "checkpoint=last", "level=0.5")
    assert found["checkpoint"] == "last.safetensors"
    for row in found["metrics"]:
        assert row["own_test"] == {key: own[row["metric"]][key] for key in ("value", "low", "high", "method", "n")}


def test_other_data_matches_classes_by_name(dlx, tmp_path):
    run, (images, targets) = copied(trained(*CLASSIFICATION), tmp_path), shifted()
    some = targets >= 7
    # Of three classes, which are numbered otherwise than the run's ten.
    np.savez(tmp_path / "some.npz", inputs=images[some], targets=targets[some])
    found = measured(dlx, str(run), "dataset=arrays", "dataset.path=some.npz", "dataset.task=classification")
    right = mlp_outputs(run, "best", images[some, 0]).argmax(axis=1) == targets[some]
    assert values([{**row, "split": ""} for row in found["metrics"]])["accuracy", ""] == right.mean()


def test_other_data_of_chosen_classes_is_that_of_those_rows(dlx, tmp_path, other):
    run, (images, targets) = copied(trained(*CLASSIFICATION), tmp_path), shifted()
    found = measured(dlx, str(run), "dataset=arrays", f"dataset.path={other}", "dataset.classes=[3,5]")
    some = np.isin(targets, (3, 5))
    right = mlp_outputs(run, "best", images[some, 0]).argmax(axis=1) == targets[some]
    assert (found["metrics"][0]["value"], found["metrics"][0]["n"]) == (right.mean(), some.sum())


def test_other_data_of_its_own_test_rows(dlx, tmp_path):
    run, (images, targets) = copied(trained(*CLASSIFICATION), tmp_path), shifted()
    np.savez(tmp_path / "both.npz", inputs=images[:900], targets=targets[:900], x=images[900:], y=targets[900:])
    found = measured(dlx, str(run), "dataset=arrays", "dataset.path=both.npz", "dataset.test_inputs=x",
                     "dataset.test_targets=y", "rows=test")
    right = mlp_outputs(run, "best", images[900:, 0]).argmax(axis=1) == targets[900:]
    assert (found["metrics"][0]["value"], found["metrics"][0]["n"], found["rows"]) == (right.mean(), 897, "test")


def test_other_table_is_matched_by_names_of_columns_in_original_units(dlx, tmp_path):
    run, data = copied(trained(*REGRESSION), tmp_path), load_diabetes(as_frame=True, scaled=False)
    frame = data.frame.iloc[::-1, ::-1]
    frame.assign(target=frame.target + 10).to_csv(tmp_path / "again.csv", index=False)
    found = measured(dlx, str(run), "dataset=csv", "dataset.path=again.csv", "dataset.target=target")
    rows = {row["metric"]: row["value"] for row in found["metrics"]}
    whole = json.loads(dlx("evaluate", str(run), "--json").out)["metrics"]
    mae = values(whole)
    assert found["metrics"][0]["n"] == 442
    # Moved targets: no error is larger by more than 10.
    least = min(mae["mae", split] for split in ("train_eval", "val", "test"))
    assert least - 10 <= rows["mae"] <= max(mae["mae", split] for split in ("train_eval", "val", "test")) + 10
    exact = tmp_path / "same.csv"
    data.frame.to_csv(exact, index=False)
    same = {row["metric"]: row for row in measured(dlx, str(run), "dataset=csv", "dataset.path=same.csv",
                                                   "dataset.target=target")["metrics"]}
    sizes = values(whole, "n")
    mean = sum(mae["mae", split] * sizes["mae", split] for split in ("train_eval", "val", "test")) / 442
    assert same["mae"]["value"] == pytest.approx(mean, rel=1e-5)


@pytest.mark.parametrize(("arguments", "message"), [
    (["dataset=digits"], "dataset=digits is what the run was trained on; leave dataset out to measure its splits"),
    (["dataset=wine"], "dataset=wine does not fit the run: its layout is table, and the run's is image"),
    (["dataset=diabetes"], "dataset=diabetes does not fit the run: its kind of task is regression, and the run's is "
                           "classification"),
    (["dataset=arrays", "dataset.path=large.npz"],
     "dataset=arrays does not fit the run: its input shape is (1, 9, 9), and the run's is (1, 8, 8)"),
    (["dataset=arrays", "dataset.path=named.npz", "dataset.task=classification"],
     "dataset=arrays has classes eight, nine, which the run does not know: its 10 classes are 0, 1, 2, 3, 4, …"),
    (["dataset=arrays", "dataset.path=moved.npz", "rows=test"],
     "dataset=arrays has no test set of its own; rows=all measures every row"),
    (["dataset=arrays", "dataset.path=moved.npz", "rows=val"], "rows must be one of all, test, got 'val'"),
    (["dataset=arrays", "dataset.path=moved.npz", "dataset.label_noise=0.1"],
     "dataset.label_noise changes train rows, and nothing is trained here; leave it out"),
    (["dataset=arrays", "dataset.path=moved.npz", "splits=[val]"], "splits are those of the run's own dataset"),
    (["dataset=arrays", "dataset.path=moved.npz", "report=[gap]"], "report and dataset are two things to do"),
    (["dataset=csv"], "dataset.path and dataset.target are missing: dlx evaluate RUN dataset=csv dataset.path=PATH"),
    (["dataset=nothing"], "dataset=nothing does not exist; dataset is one of adding, arrays"),
    (["dataset.path=x"], "dataset.path belongs to dataset="),
])
def test_other_data_that_does_not_fit_is_refused_and_the_run_stays(dlx, tmp_path, other, arguments, message):
    run, (images, targets) = copied(trained(*CLASSIFICATION), tmp_path), shifted()
    np.savez(tmp_path / "large.npz", inputs=np.zeros((200, 1, 9, 9), np.float32), targets=np.arange(200) % 10)
    names = np.array(["0", "1", "2", "3", "4", "5", "6", "7", "eight", "nine"])[targets]
    np.savez(tmp_path / "named.npz", inputs=images, targets=names)
    before = files_of(run)
    result = dlx("evaluate", str(run), *arguments)
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith(f"dlx: {message}")
    assert "Traceback" not in result.err
    after = files_of(run)
    assert {path: data for path, data in after.items() if path.name != "run.lock"} == {
        path: data for path, data in before.items() if path.name != "run.lock"}


def test_other_data_prints_a_table(dlx, tmp_path, other):
    run = copied(trained(*CLASSIFICATION), tmp_path)
    result = dlx("evaluate", str(run), "dataset=arrays", f"dataset.path={other}")
    assert result.code == 0
    assert "n = 1,797" in result.out
    assert "own test" in result.out
    assert "independent" in result.out


def test_other_sequences_are_measured_at_every_position(dlx, tmp_path):
    run = copied(trained("dataset=copy", "dataset.num_examples=300", "model=lstm", "model.width=8", "epochs=1",
                         "metric=[token_accuracy,perplexity]"), tmp_path)
    found = measured(dlx, str(run), "dataset=copy", "dataset.num_examples=120", "dataset.num_test=60",
                     "dataset.seed=4", "rows=test")
    by_name = {row["metric"]: row for row in found["metrics"]}
    assert by_name["token_accuracy"]["n"] == 60
    # Hardly trained: as good as any of eight symbols.
    assert 0 < by_name["token_accuracy"]["value"] < 0.4
    assert 4 < by_name["perplexity"]["value"] < 12


def test_other_data_of_a_checkpoint_file_or_an_ensemble(dlx, tmp_path, other):
    run = copied(trained(*CLASSIFICATION), tmp_path)
    by_run = measured(dlx, str(run), "dataset=arrays", f"dataset.path={other}", "level=0.9")
    by_file = measured(dlx, f"{run}/checkpoints/best.safetensors", "dataset=arrays", f"dataset.path={other}",
                       "level=0.9")
    for one, same in zip(by_run["metrics"], by_file["metrics"], strict=True):
        assert one["own_test"]["value"] == pytest.approx(same["own_test"]["value"], abs=1e-9)
        assert {**one, "own_test": 0, "difference": 0} == {**same, "own_test": 0, "difference": 0}
