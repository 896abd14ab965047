"""What is wrong in answers of several parts: sequences, transcriptions, and examples with several labels."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from dlx.core.intervals import proportion, student_t, undefined
from dlx.core.measures import Measure, Measures
from dlx.core.types import IGNORED
from dlx.record import layout
from dlx.report.measuring.held_out import SPLITS, Answers, answers
from dlx.report.parts.sequences import by_length
from dlx.report.predictions import Labels, Sequences, Transcriptions, read_predictions

if TYPE_CHECKING:
    from dlx.core.subject import Subject

MAX_POSITIONS = 64
NOT_FOR = "Mistakes are not shown one by one, and labels not searched for wrong ones: an answer has several parts."


def measure(subject: Subject) -> Measures:
    """Measure what is right, by length and position or by label."""
    found, level = read_predictions(subject.folder / layout.PREDICTIONS), subject.level
    numbers: list[Measure] = []
    if isinstance(found, Labels):
        numbers = [item for split in SPLITS for item in _labels(found.of(split), split, level)]
    elif isinstance(found, Sequences):
        numbers = [item for split in SPLITS for item in _lengths(found, split, level)]
    if subject.spec.kind == "sequence":
        numbers += [item for own in answers(subject) for item in _positions(own, level)]
    return Measures(tuple(numbers), skipped=(NOT_FOR,))


def _lengths(found: Sequences, split: str, level: float) -> Iterator[Measure]:
    part = found.of(split)
    for group in by_length(part) if len(part) else ():
        lengths = group.values["length"]
        of = {"shortest": int(lengths.min()), "longest": int(lengths.max())}
        if isinstance(found, Transcriptions):
            errors = group.values["errors"]
            rates = errors / lengths.clip(min=1)
            yield Measure("error_rate", float(rates.mean()), split, of=of).within(student_t(rates, level))
            right = errors == 0
        else:
            right = group.values["exact_match"] == 1
        yield _share("exact_match", int(right.sum()), len(group), level, split, of)


def _positions(own: Answers, level: float) -> Iterator[Measure]:
    asked = own.targets != IGNORED
    right = (own.scores[:, :, 0] == own.targets) & asked
    count = asked.shape[1]
    for at in np.unique(np.linspace(0, count - 1, min(count, MAX_POSITIONS)).round().astype(np.int64)).tolist():
        if asked[:, at].any():
            yield _share("position_accuracy", int(right[:, at].sum()), int(asked[:, at].sum()), level, own.split,
                         {"position": at + 1})


def _labels(part: Labels, split: str, level: float) -> Iterator[Measure]:
    there, said = part.targets == 1, part.probs > 0.5
    sums = ((there & said).sum(axis=0), there.sum(axis=0), said.sum(axis=0))
    for name, hits, own, told in zip(part.class_names, *(column.tolist() for column in sums), strict=True):
        of = {"label": name}
        yield _share("label_recall", hits, own, level, split, of)
        yield _share("label_precision", hits, told, level, split, of)
        value = 2 * hits / (own + told) if own + told else None
        yield Measure("label_f1", value, split, of=of, n=len(part),
                      method="undefined: never there and never said" if value is None else None)


def _share(name: str, hits: int, n: int, level: float, split: str, of: dict[str, int] | dict[str, str]) -> Measure:
    interval = proportion(hits, n, level) if n else undefined("no examples", level, 0)
    return Measure(name, hits / n if n else None, split, of=of).within(interval)
