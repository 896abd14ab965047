"""What the model said about each val and test example: predictions.csv as arrays."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dlx.core.errors import ArtefactError
from dlx.record.predictions import SEQUENCE, TRANSCRIPTION

MAX_BYTES = 2**31
PROB = "prob_"
TARGET = "target_"
FIXED = ("split", "id", "target", "prediction")


@dataclass(frozen=True)
class Predictions:
    """N examples, C classes.

    Args:
        splits: split name of each example [N]; ids: its row number in the dataset [N].
        targets: class indices or values [N].
        predictions: predicted class indices or values [N].
        probs: class probabilities [N, C]; None for regression.
        class_names: what the header calls the classes; empty for regression.
    """

    splits: NDArray[np.str_]
    ids: NDArray[np.int64]
    targets: NDArray[np.float64]
    predictions: NDArray[np.float64]
    probs: NDArray[np.float64] | None
    class_names: tuple[str, ...]

    def of(self, split: str) -> Predictions:
        """Return the examples of one split."""
        return self._at(self.splits == split)

    def finite(self) -> Predictions:
        """Return the examples whose target and prediction are finite."""
        return self._at(np.isfinite(self.targets) & np.isfinite(self.predictions))

    def _at(self, here: NDArray[np.bool_]) -> Predictions:
        probs = None if self.probs is None else self.probs[here]
        return Predictions(self.splits[here], self.ids[here], self.targets[here], self.predictions[here], probs,
                           self.class_names)

    def __len__(self) -> int:
        return len(self.targets)


@dataclass(frozen=True)
class Sequences:
    """N sequences.

    Args:
        splits: split name of each [N].
        values: numbers by column [N]: id, length, nll, token_accuracy, exact_match.
    """

    splits: NDArray[np.str_]
    values: Mapping[str, NDArray[np.float64]]

    def of(self, split: str) -> Sequences:
        """Return the sequences of one split."""
        here = self.splits == split
        return Sequences(self.splits[here], {name: column[here] for name, column in self.values.items()})

    def __len__(self) -> int:
        return len(self.splits)


@dataclass(frozen=True)
class Transcriptions(Sequences):
    """N transcriptions; values: id, length and errors."""


@dataclass(frozen=True)
class Labels:
    """N examples, C labels.

    Args:
        splits: split name of each example [N].
        targets: whether each label holds, 0 or 1, [N, C].
        probs: its probability [N, C].
        class_names: of the labels.
    """

    splits: NDArray[np.str_]
    targets: NDArray[np.float64]
    probs: NDArray[np.float64]
    class_names: tuple[str, ...]

    def of(self, split: str) -> Labels:
        """Return the examples of one split."""
        here = self.splits == split
        return Labels(self.splits[here], self.targets[here], self.probs[here], self.class_names)

    def __len__(self) -> int:
        return len(self.splits)


def read_predictions(path: Path) -> Predictions | Sequences | Labels | None:
    """Read predictions.csv; None where it is absent.

    Raises:
        ArtefactError: a missing column, a row of the wrong length or a cell that is no number.
    """
    if not path.is_file():
        return None
    if path.stat().st_size > MAX_BYTES:
        raise ArtefactError(f"{path} refused: larger than {MAX_BYTES} bytes")
    try:
        with open(path, newline="", encoding="utf-8") as file:
            header, *rows = list(csv.reader(file)) or [[]]
    except (UnicodeDecodeError, csv.Error) as error:
        raise ArtefactError(f"{path} refused: {error}") from error
    _check(header, rows, path)
    splits = np.array([row[0] for row in rows], dtype=str)
    if tuple(header) == SEQUENCE:
        numbers = _numbers(rows, slice(1, None), path)
        return Sequences(splits, dict(zip(SEQUENCE[1:], numbers.T, strict=True)))
    if tuple(header) == TRANSCRIPTION:
        numbers = _numbers(rows, slice(1, 4), path)
        return Transcriptions(splits, dict(zip(TRANSCRIPTION[1:4], numbers.T, strict=True)))
    if _has_labels(header):
        return _labels(splits, header, _numbers(rows, slice(2, None), path), path)
    classes = [index for index, name in enumerate(header) if name.startswith(PROB)]
    table = _numbers(rows, slice(2, None), path)
    probs = table[:, [index - 2 for index in classes]] if classes else None
    if classes and not _are_indices(table[:, :2], len(classes)):
        raise ArtefactError(f"{path} refused: targets and predictions must be class indices below {len(classes)}")
    names = tuple(header[index].removeprefix(PROB) for index in classes)
    ids = _numbers(rows, slice(1, 2), path)[:, 0].astype(np.int64)
    return Predictions(splits, ids, table[:, 0], table[:, 1], probs, names)


def _has_labels(header: list[str]) -> bool:
    """Say whether there is a target and a probability of each label."""
    names = [name.removeprefix(TARGET) for name in header[2:] if name.startswith(TARGET)]
    return bool(names) and header == ["split", "id", *(TARGET + name for name in names), *(PROB + name
                                                                                           for name in names)]


def _labels(splits: NDArray[np.str_], header: list[str], table: NDArray[np.float64], path: Path) -> Labels:
    count = (len(header) - 2) // 2
    if not np.isin(table[:, :count], (0, 1)).all():
        raise ArtefactError(f"{path} refused: targets of labels must be 0 or 1")
    names = tuple(name.removeprefix(TARGET) for name in header[2 : 2 + count])
    return Labels(splits, table[:, :count], table[:, count:], names)


def _numbers(rows: list[list[str]], columns: slice, path: Path) -> NDArray[np.float64]:
    try:
        return np.array([row[columns] for row in rows], dtype=np.float64)
    except ValueError as error:
        raise ArtefactError(f"{path} refused: {error}") from error


def _are_indices(values: NDArray[np.float64], num_classes: int) -> bool:
    return bool(np.isin(values, np.arange(num_classes)).all())


def _check(header: list[str], rows: list[list[str]], path: Path) -> None:
    if tuple(header[:4]) != FIXED and tuple(header) not in (SEQUENCE, TRANSCRIPTION) and not _has_labels(header):
        raise ArtefactError(f"{path} refused: the header must start with {','.join(FIXED)}, got {','.join(header[:4])}")
    for number, row in enumerate(rows, start=2):
        if len(row) != len(header):
            raise ArtefactError(f"{path} refused: line {number} has {len(row)} cells, the header {len(header)}")
