"""predictions.csv: what the selected model said of every val and test example, so that anyone can recompute."""

from __future__ import annotations

import csv
import io
import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from dlx.core.types import IGNORED, Outcome
from dlx.record import atomic

# As `table.format_value` writes a float.
FLOAT = "%.9g"
SEQUENCE = ("split", "id", "length", "nll", "token_accuracy", "exact_match")


def write_predictions(path: Path, outcomes: Mapping[str, tuple[np.ndarray, Outcome]], class_names: Sequence[str]
                      ) -> None:
    """Write one row per example.

    Args:
        outcomes: by split: row numbers in the dataset [N], and what the model said of them.
        class_names: one per class, or none for a regression and for sequences.

    The columns are split, id, target, prediction, and for a classification prob_<class>; targets and predictions of a
    classification are class indices. Of a sequence they are split, id, length (how many positions are asked), nll and
    token_accuracy (means over these positions), exact_match (1 where all are right).
    """
    sequences = any(outcome.scores.ndim == 3 for _, outcome in outcomes.values())
    names = ["split", "id", "target", "prediction", *(f"prob_{name}" for name in class_names)]
    header = io.StringIO()
    csv.writer(header, lineterminator="\n").writerow(SEQUENCE if sequences else names)
    text = "".join(sequence_table(split, ids, outcome) if sequences else table(split, ids, outcome, bool(class_names))
                   for split, (ids, outcome) in outcomes.items())
    atomic.write_text(path, header.getvalue() + text, "file")


def table(split: str, ids: np.ndarray, outcome: Outcome, classified: bool) -> str:
    """Format the rows of a split: all at once, which is faster than one by one."""
    scores, targets = outcome.scores, outcome.targets
    number = "%d" if classified else FLOAT
    columns = [scores.argmax(axis=1), *scores.T] if classified else [scores]
    rows = zip(*(column.tolist() for column in (ids, targets, *columns)), strict=True)
    line = ",".join([split, "%d", number, number, *[FLOAT] * (len(columns) - 1)]) + "\n"
    return line * len(ids) % tuple(itertools.chain.from_iterable(rows))


def sequence_table(split: str, ids: np.ndarray, outcome: Outcome) -> str:
    """Format the rows of a split of sequences."""
    asked = outcome.targets != IGNORED
    length = asked.sum(axis=1)
    nll = np.where(asked, -outcome.scores[:, :, 1], 0.0).sum(axis=1) / length.clip(min=1)
    right = ((outcome.scores[:, :, 0] == outcome.targets) & asked).sum(axis=1)
    rows = zip(*(column.tolist() for column in (ids, length, nll, right / length.clip(min=1), right == length)),
               strict=True)
    line = f"{split},%d,%d,{FLOAT},{FLOAT},%d\n"
    return line * len(ids) % tuple(itertools.chain.from_iterable(rows))
