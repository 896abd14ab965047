"""predictions.csv: what the selected model said of every val and test example, so that anyone can recompute."""

from __future__ import annotations

import csv
import io
import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from dlx.core.types import Outcome
from dlx.record import atomic

# As `table.format_value` writes a float.
FLOAT = "%.9g"


def write_predictions(path: Path, outcomes: Mapping[str, tuple[np.ndarray, Outcome]], class_names: Sequence[str]
                      ) -> None:
    """Write one row per example.

    Args:
        outcomes: by split: row numbers in the dataset [N], and what the model said of them.
        class_names: one per class, or none for a regression.

    The columns are split, id, target, prediction, and for a classification prob_<class>; targets and predictions of a
    classification are class indices.
    """
    header = io.StringIO()
    names = ["split", "id", "target", "prediction", *(f"prob_{name}" for name in class_names)]
    csv.writer(header, lineterminator="\n").writerow(names)
    text = "".join(table(split, ids, outcome, bool(class_names)) for split, (ids, outcome) in outcomes.items())
    atomic.write_text(path, header.getvalue() + text, "file")


def table(split: str, ids: np.ndarray, outcome: Outcome, classified: bool) -> str:
    """Format the rows of a split: all at once, which is faster than one by one."""
    scores, targets = outcome.scores, outcome.targets
    number = "%d" if classified else FLOAT
    columns = [scores.argmax(axis=1), *scores.T] if classified else [scores]
    rows = zip(*(column.tolist() for column in (ids, targets, *columns)), strict=True)
    line = ",".join([split, "%d", number, number, *[FLOAT] * (len(columns) - 1)]) + "\n"
    return line * len(ids) % tuple(itertools.chain.from_iterable(rows))
