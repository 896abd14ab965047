"""predictions.csv: every example, every digit that the format promises."""

from __future__ import annotations

import csv
import io

import numpy as np
import pytest
from scipy.special import softmax

from dlx.core.types import IGNORED, Outcome
from dlx.record.predictions import write_predictions
from dlx.record.table import format_value


def cell_by_cell(outcomes, class_names):
    """The same file by the csv module, one cell at a time."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["split", "id", "target", "prediction", *(f"prob_{name}" for name in class_names)])
    for split, (ids, outcome) in outcomes.items():
        for row, scores, target in zip(ids.tolist(), outcome.scores, outcome.targets.tolist(), strict=True):
            own = [int(scores.argmax()), *scores.tolist()] if class_names else [float(scores)]
            writer.writerow([split, row, *map(format_value, [target, *own])])
    return text.getvalue()


@pytest.mark.parametrize("names", [["a", "b"], ['x,"y"', "100%", "%d", "é"]])
def test_predictions_of_a_classification_are_plain_csv(names, tmp_path):
    generator = np.random.default_rng(0)
    outcomes = {split: (generator.permutation(500)[:40],
                        Outcome(softmax(generator.normal(size=(40, len(names))) * 50, axis=1), np.arange(40) % 2))
                for split in ("val", "test")}
    write_predictions(tmp_path / "p.csv", outcomes, "classification", names)
    assert (tmp_path / "p.csv").read_text() == cell_by_cell(outcomes, names)


def test_predictions_of_a_regression_are_plain_csv(tmp_path):
    values = np.array([1.5, -0.0, 1e300, 5e-324, 1 / 3, 123456789012.0])
    outcomes = {"val": (np.arange(6), Outcome(values, values[::-1].copy()))}
    write_predictions(tmp_path / "p.csv", outcomes, "regression", [])
    assert (tmp_path / "p.csv").read_text() == cell_by_cell(outcomes, [])


def test_predictions_of_labels_have_a_target_and_a_probability_of_each(tmp_path):
    scores = np.array([[0.25, 1.0, 1e-9], [0.5, 0.0, 1 / 3]])
    outcomes = {"test": (np.array([7, 3]), Outcome(scores, np.array([[0, 1, 1], [0, 0, 0]])))}
    write_predictions(tmp_path / "p.csv", outcomes, "multilabel", ["a", "b,c", "d"])
    rows = list(csv.reader(io.StringIO((tmp_path / "p.csv").read_text())))
    assert rows == [["split", "id", "target_a", "target_b,c", "target_d", "prob_a", "prob_b,c", "prob_d"],
                    ["test", "7", "0", "1", "1", "0.25", "1", "1e-09"],
                    ["test", "3", "0", "0", "0", "0.5", "0", "0.333333333"]]


def test_predictions_of_transcriptions_are_written_in_words(tmp_path):
    paths = np.array([[1, 1, 0, 1, 2], [0, 0, 0, 0, 0], [2, 0, 0, 0, 0]])
    targets = np.array([[1, 2, IGNORED], [2, 1, 2], [2, IGNORED, IGNORED]])
    outcomes = {"val": (np.arange(3), Outcome(np.log(np.eye(3)[paths] + 0.01), targets))}
    write_predictions(tmp_path / "p.csv", outcomes, "transcription", ["blank", 'x"y', "z, w"])
    rows = list(csv.DictReader(io.StringIO((tmp_path / "p.csv").read_text())))
    assert [list(row.values()) for row in rows] == [
        ["val", "0", "2", "1", 'x"y z, w', 'x"y x"y z, w'], ["val", "1", "3", "3", 'z, w x"y z, w', ""],
        ["val", "2", "1", "0", "z, w", "z, w"]]
