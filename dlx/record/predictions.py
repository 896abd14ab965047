"""predictions.csv: what the selected model said of every val and test example, so that anyone can recompute."""

from __future__ import annotations

import csv
import io
import itertools
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from dlx.core.ctc import best_path, edit_distances
from dlx.core.types import IGNORED, PER_POSITION, Kind, Outcome
from dlx.record import atomic

# As `table.format_value` writes a float.
FLOAT = "%.9g"
SEQUENCE = ("split", "id", "length", "nll", "token_accuracy", "exact_match")
TRANSCRIPTION = ("split", "id", "length", "errors", "target", "prediction")


def write_predictions(path: Path, outcomes: Mapping[str, tuple[np.ndarray, Outcome]], kind: Kind,
                      class_names: Sequence[str]) -> None:
    """Write one row per example.

    Args:
        outcomes: by split: row numbers in the dataset [N], and what the model said of them.
        kind: of the task.
        class_names: one per class, or none for a regression and for sequences.

    The columns are split, id, target, prediction, and for a classification prob_<class>; targets and predictions of a
    classification are class indices. Of multilabel they are split, id, target_<class> (1 where the label holds) and
    prob_<class>. Of a sequence they are split, id, length (how many positions are asked), nll and token_accuracy (means
    over these positions), exact_match (1 where all are right). Of a transcription: split, id, length (labels of the
    target), errors (edit distance), target and prediction (class names with spaces between, by the best path).
    """
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(header(kind, class_names))
    for split, (ids, outcome) in outcomes.items():
        if kind == "sequence":
            text.write(sequence_table(split, ids, outcome))
        elif kind == "multilabel":
            text.write(label_table(split, ids, outcome))
        elif kind == "transcription":
            csv.writer(text, lineterminator="\n").writerows(transcriptions(split, ids, outcome, class_names))
        else:
            text.write(table(split, ids, outcome, bool(class_names)))
    atomic.write_text(path, text.getvalue(), "file")


def header(kind: Kind, class_names: Sequence[str]) -> Sequence[str]:
    """Return the names of the columns."""
    if kind in PER_POSITION:
        return SEQUENCE if kind == "sequence" else TRANSCRIPTION
    probs = [f"prob_{name}" for name in class_names]
    if kind == "multilabel":
        return ["split", "id", *(f"target_{name}" for name in class_names), *probs]
    return ["split", "id", "target", "prediction", *probs]


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


def label_table(split: str, ids: np.ndarray, outcome: Outcome) -> str:
    """Format the rows of a split of examples with labels."""
    rows = zip(*(column.tolist() for column in (ids, *outcome.targets.T, *outcome.scores.T)), strict=True)
    count = outcome.scores.shape[1]
    line = ",".join([split, "%d", *["%d"] * count, *[FLOAT] * count]) + "\n"
    return line * len(ids) % tuple(itertools.chain.from_iterable(rows))


def transcriptions(split: str, ids: np.ndarray, outcome: Outcome, class_names: Sequence[str]
                   ) -> Iterator[tuple[object, ...]]:
    """Yield the rows of a split of transcriptions."""
    import torch

    said, targets = best_path(torch.tensor(outcome.scores)), torch.tensor(outcome.targets)
    errors = edit_distances(said, targets).tolist()
    for row, own, target, count in zip(ids.tolist(), said.tolist(), targets.tolist(), errors, strict=True):
        words = [[class_names[label] for label in labels if label != IGNORED] for labels in (target, own)]
        yield split, row, len(words[0]), count, *map(" ".join, words)
