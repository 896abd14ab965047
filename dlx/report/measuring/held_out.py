"""What a model says of held-out examples, in the order of their ids, and rows of them to be shown."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from dlx.core.subject import apart
from dlx.measure.excerpts import excerpts

if TYPE_CHECKING:
    from dlx.core.subject import Subject

SPLITS = ("val", "test")
LEFT_OUT = "Predictions that are not finite, {:,} on {}, were left out."
# Of train: enough to say which values of a table are unusual.
SOME = 2_000


class Answers(NamedTuple):
    """N examples of a split, ascending ids: ids [N], scores and targets as `Outcome` has them."""

    split: str
    ids: np.ndarray
    scores: np.ndarray
    targets: np.ndarray

    def at(self, rows: np.ndarray) -> Answers:
        """Return some of the examples."""
        return Answers(self.split, self.ids[rows], self.scores[rows], self.targets[rows])


def answers(subject: Subject) -> list[Answers]:
    """Return what the best checkpoint says of val and test."""
    found = []
    for split in SPLITS:
        ids, outcome = subject.splits[split].ids.cpu().numpy(), subject.said(split).outcome
        order = np.argsort(ids, kind="stable")
        found.append(Answers(split, ids[order], outcome.scores[order], outcome.targets[order]))
    return found


def shown_rows(subject: Subject, ids: Iterable[int]) -> dict[str, Any]:
    """Return excerpts of rows, by their ids as text."""
    chosen = np.array(sorted(set(ids)), np.int64)
    if len(chosen) == 0:
        return {}
    train = subject.splits["train_eval"].ids.cpu().numpy()
    some = np.sort(train[apart(train.tolist(), SOME)]) if subject.given.layout == "table" else train[:0]
    return excerpts(subject.rows(chosen), chosen, subject.notes(), subject.given, subject.rows(some))
