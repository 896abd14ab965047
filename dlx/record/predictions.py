"""predictions.csv: what the selected model said of every val and test example, so that anyone can recompute."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from dlx.core.types import Outcome
from dlx.record import atomic
from dlx.record.table import format_value


def write_predictions(path: Path, outcomes: Mapping[str, tuple[np.ndarray, Outcome]], class_names: Sequence[str]
                      ) -> None:
    """Write one row per example.

    Args:
        outcomes: by split: row numbers in the dataset [N], and what the model said of them.
        class_names: one per class, or none for a regression.

    The columns are split, id, target, prediction, and for a classification prob_<class>; targets and predictions of a
    classification are class indices.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["split", "id", "target", "prediction", *(f"prob_{name}" for name in class_names)])
    for split, (ids, outcome) in outcomes.items():
        scores, targets = outcome.scores, outcome.targets.tolist()
        predictions = (scores.argmax(axis=1) if class_names else scores).tolist()
        probs = scores.tolist() if class_names else [[]] * len(targets)
        for row, target, prediction, prob in zip(ids.tolist(), targets, predictions, probs, strict=True):
            writer.writerow([split, row, format_value(target), format_value(prediction), *map(format_value, prob)])
    atomic.write_text(path, text.getvalue())
