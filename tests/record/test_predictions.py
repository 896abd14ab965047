"""predictions.csv: every example, every digit that the format promises."""

from __future__ import annotations

import csv
import io

import numpy as np
import pytest
from scipy.special import softmax

from dlx.core.types import Outcome
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
    write_predictions(tmp_path / "p.csv", outcomes, names)
    assert (tmp_path / "p.csv").read_text() == cell_by_cell(outcomes, names)


def test_predictions_of_a_regression_are_plain_csv(tmp_path):
    values = np.array([1.5, -0.0, 1e300, 5e-324, 1 / 3, 123456789012.0])
    outcomes = {"val": (np.arange(6), Outcome(values, values[::-1].copy()))}
    write_predictions(tmp_path / "p.csv", outcomes, [])
    assert (tmp_path / "p.csv").read_text() == cell_by_cell(outcomes, [])
