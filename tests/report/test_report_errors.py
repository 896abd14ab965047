"""What the report says of mistakes: numbers from predictions.csv alone, rows of the data, and damaged files."""

import csv
import json
from collections import Counter

import numpy as np
import pytest
from part_files import make
from scipy.stats import spearmanr
from sklearn.metrics import matthews_corrcoef, precision_score, recall_score
from trained_runs import KINDS, copied, subject, trained

from dlx.core.errors import ArtefactError
from dlx.core.measures import Measures
from dlx.measure.excerpts import pixels_of
from dlx.measure.label_issues import find_label_issues
from dlx.record.measures import path_of, write_measures
from dlx.report.files import read_run
from dlx.report.sections import errors

LABELS = ("dataset=digit_sets", "dataset.num_examples=400", "loss=bce", "model=mlp", "model.width=16", "epochs=2",
          "metric=[label_accuracy,label_macro_f1,label_micro_f1,subset_accuracy]")
STRINGS = ("dataset=digit_strings", "dataset.num_examples=300", "epochs=1", "model.width=8")


def measured(overrides):
    folder = trained(*overrides)
    own = subject(folder)
    return folder, own, make("report", "errors").measure(own)


def rows_of(folder):
    with open(folder / "predictions.csv", newline="") as file:
        return list(csv.DictReader(file))


def columns(folder, split):
    rows = [row for row in rows_of(folder) if row["split"] == split]
    return (np.array([float(row[name]) for row in rows]) for name in ("id", "target", "prediction"))


def shown(folder, found, target):
    run = copied(folder, target)
    write_measures(run, "errors", found)
    return {part.key: part for part in errors.section(read_run(run)).parts}


def test_numbers_of_classes_are_those_of_predictions():
    folder, own, found = measured(KINDS["images"])
    for split in ("val", "test"):
        _, targets, said = columns(folder, split)
        assert found.find("mcc", split).value == pytest.approx(matthews_corrcoef(targets, said))
        recall = recall_score(targets, said, labels=range(10), average=None)
        assert [item.value for item in found.every("recall", split=split)] == pytest.approx(list(recall))
        assert [item.n for item in found.every("recall", split=split)] == [int((targets == at).sum())
                                                                           for at in range(10)]
        precision = precision_score(targets, said, labels=range(10), average=None, zero_division=0)
        for at, item in enumerate(found.every("precision", split=split)):
            assert item.n == (said == at).sum()
            assert (item.value or 0) == pytest.approx(precision[at])
        (worst,) = found.every("worst_recall", split=split)
        assert (worst.value, worst.of["class"]) == (pytest.approx(recall.min()), own.spec.class_names[recall.argmin()])
        assert worst.level == pytest.approx(1 - 0.05 / 10)


def test_label_candidates_are_those_of_predictions_of_val_and_test():
    folder, _, found = measured(KINDS["images"])
    rows = sorted(rows_of(folder), key=lambda row: int(row["id"]))
    probs = np.array([[float(row[name]) for name in row if name.startswith("prob_")] for row in rows])
    issues = find_label_issues(probs, np.array([int(row["target"]) for row in rows]))
    assert found.find("label_candidates").value == len(issues.candidates)
    assert found.find("label_error_share").value == pytest.approx(issues.share)
    listed = [int(rows[at]["id"]) for at in issues.candidates[:24]]
    assert [item["id"] for item in found.details["candidates"]] == listed


def test_mistakes_are_the_surest_with_their_pictures():
    folder, own, found = measured(KINDS["images"])
    rows = [row for row in rows_of(folder) if row["target"] != row["prediction"]]
    sure = sorted(rows, key=lambda row: (-max(float(row[name]) for name in row if name.startswith("prob_")),
                                         int(row["id"])))[:24]
    assert [(item["split"], item["id"]) for item in found.details["mistakes"]] == [
        (row["split"], int(row["id"])) for row in sure]
    for item in found.details["mistakes"]:
        image = own.rows(np.array([item["id"]]))[0, 0].astype(float)
        pixels = pixels_of(found.details["rows"][str(item["id"])])
        low = 0 if image.max() <= 255 and pixels.min() == 0 else image.min()
        assert np.corrcoef(image.ravel() - low, pixels.ravel())[0, 1] > 0.999


def test_planted_wrong_labels_of_a_good_model_are_among_the_candidates():
    own = subject(trained("dataset=digits", "model=mlp", "optimizer.lr=0.01", "epochs=20"))
    section = make("report", "errors")
    before = section.measure(own).find("label_candidates").value
    said = own.said("test")
    sure = np.flatnonzero((said.outcome.scores.max(axis=1) > 0.98)
                          & (said.outcome.scores.argmax(axis=1) == said.outcome.targets))[:20]
    targets = said.outcome.targets.copy()
    targets[sure] = (targets[sure] + 1) % 10
    own._said["test", "best"] = said._replace(outcome=said.outcome._replace(targets=targets))
    after = section.measure(own)
    planted = {int(row) for row in own.splits["test"].ids.numpy()[sure]}
    assert len(planted) == 20
    assert after.find("label_candidates").value >= before + 20
    assert planted <= {item["id"] for item in after.details["candidates"]}
    assert after.find("label_candidates_by_chance").high < 20
    assert after.find("label_error_share").value == pytest.approx(20 / 719, abs=0.02)


def test_section_of_a_classification_tells_of_classes_mistakes_and_labels(tmp_path):
    folder, _, found = measured(KINDS["images"])
    parts = shown(folder, found, tmp_path / "run")
    assert {"confusion", "classes", "mistakes", "doubtful_labels"} == parts.keys()
    (worst,) = found.every("worst_recall", split="test")
    assert f"On test the worst class is {worst.of['class']}" in parts["classes"].sentences[0]
    assert [figure.name for figure in parts["mistakes"].figures] == ["mistakes"]
    assert "a single run lacks" in " ".join(parts["doubtful_labels"].notes)


def test_section_of_a_table_names_unusual_values(tmp_path):
    folder, _, found = measured(("dataset=wine", "model=mlp", "model.width=8", "epochs=1"))
    parts = shown(folder, found, tmp_path / "run")
    assert parts["mistakes"].tables[0].columns[-1] == "most unusual values"
    assert not parts["mistakes"].figures


def test_residuals_and_what_they_go_with_are_those_of_predictions(tmp_path):
    folder, own, found = measured(KINDS["regression"])
    for split in ("val", "test"):
        ids, targets, said = columns(folder, split)
        residuals = said - targets
        mean = found.find("mean_residual", split)
        assert mean.value == pytest.approx(residuals.mean(), rel=1e-5)
        assert found.find("residual_quantile", split, quantile=0.25).value == pytest.approx(
            np.quantile(residuals, 0.25), rel=1e-5)
        features = own.rows(ids.astype(int)).astype(float)
        tests = [spearmanr(residuals, column) for column in features.T]
        names = [column.name for column in own.given.columns]
        order = sorted(range(len(tests)), key=lambda at: -abs(tests[at].statistic))[:6]
        items = found.every("residual_correlation", split=split)
        assert [item.of["column"] for item in items] == [names[at] for at in order]
        assert [item.value for item in items] == pytest.approx([tests[at].statistic for at in order])
        smallest = min(test.pvalue for test in tests)
        adjusted = [item.value for item in found.every("residual_correlation_p_value", split=split)]
        assert min(adjusted) == pytest.approx(min(1, smallest * len(tests)))
    largest = max(rows_of(folder), key=lambda row: abs(float(row["prediction"]) - float(row["target"])))
    assert found.details["worst"][0]["id"] == int(largest["id"])
    parts = shown(folder, found, tmp_path / "run")
    assert {"residuals", "residual_structure", "mistakes"} == parts.keys()
    assert len(parts["mistakes"].tables[0].rows) == 12


def test_positions_and_lengths_of_sequences_are_counted(tmp_path):
    folder, own, found = measured(KINDS["sequence"])
    outcome = own.said("test").outcome
    asked = outcome.targets >= 0
    right = (outcome.scores[:, :, 0] == outcome.targets) & asked
    for item in found.every("position_accuracy", split="test"):
        at = item.of["position"] - 1
        assert (item.value, item.n) == (right[:, at].sum() / asked[:, at].sum(), asked[:, at].sum())
    groups = found.every("exact_match", split="test")
    assert sum(item.n for item in groups) == len(asked)
    exact = (right == asked).all(axis=1)
    assert sum(round(item.value * item.n) for item in groups) == exact.sum()
    assert {"sequences", "positions"} == shown(folder, found, tmp_path / "run").keys()


def test_labels_by_themselves_have_intervals():
    folder, _, found = measured(LABELS)
    rows = [row for row in rows_of(folder) if row["split"] == "test"]
    for item in found.every("label_recall", split="test"):
        name = item.of["label"]
        there = [float(row[f"prob_{name}"]) > 0.5 for row in rows if row[f"target_{name}"] == "1"]
        assert (item.n, item.value) == (len(there), pytest.approx(np.mean(there)))
        assert item.low <= item.value <= item.high


def test_transcriptions_are_measured_by_length():
    folder, _, found = measured(STRINGS)
    rows = [row for row in rows_of(folder) if row["split"] == "test"]
    items = found.every("error_rate", split="test")
    rates = [int(row["errors"]) / int(row["length"]) for row in rows]
    assert sum(item.n * item.value for item in items) == pytest.approx(sum(rates))
    assert Counter(item.name for item in found.numbers)["exact_match"] == len(found.every("error_rate"))


@pytest.mark.parametrize("change", [{"mistakes": 3}, {"mistakes": [{}]}, {"rows": {}},
                                    {"candidates": [{"split": "test", "id": "x"}]}])
def test_damaged_details_are_refused_by_name(tmp_path, change):
    folder, _, found = measured(KINDS["images"])
    with pytest.raises(ArtefactError, match=r"measures/errors\.json refused"):
        shown(folder, Measures(found.numbers, {**found.details, **change}), tmp_path / "run")


def test_hostile_pixels_and_classes_are_refused(tmp_path):
    folder, _, found = measured(KINDS["images"])
    run = copied(folder, tmp_path / "run")
    write_measures(run, "errors", found)
    content = json.loads(path_of(run, "errors").read_text())
    for key, value in (("prediction", 99), ("target", -1)):
        broken = json.loads(json.dumps(content))
        broken["details"]["mistakes"][0][key] = value
        path_of(run, "errors").write_text(json.dumps(broken))
        with pytest.raises(ArtefactError, match=r"errors\.json refused: ValueError"):
            errors.section(read_run(run))
    broken = json.loads(json.dumps(content))
    broken["details"]["rows"][str(broken["details"]["mistakes"][0]["id"])]["shape"] = [10**6, 10**6]
    path_of(run, "errors").write_text(json.dumps(broken))
    with pytest.raises(ArtefactError, match=r"errors\.json refused"):
        errors.section(read_run(run))
