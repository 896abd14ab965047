"""Each label by itself: how often it is there, is predicted, and is right."""

from __future__ import annotations

import numpy as np

from dlx.report import words
from dlx.report.files import RunFiles
from dlx.report.predictions import Labels
from dlx.report.section import Section, Table

MAX_LABELS = 30
COLUMNS = ("label", "there", "predicted", "precision", "recall", "F1")


def section(run: RunFiles) -> Section | None:
    """Tabulate the labels on test, or on val where there is no test, those with the lowest F1 first."""
    found = run.labels
    splits = {} if found is None else {name: part for name in ("test", "val") if len(part := found.of(name))}
    if not splits:
        return None
    name, part = next(iter(splits.items()))
    counts = counts_of(part)
    order = np.argsort([own["f1"] if own["f1"] is not None else 2.0 for own in counts], kind="stable")[:MAX_LABELS]
    rows = tuple((part.class_names[at], f"{counts[at]['there']:,}", f"{counts[at]['predicted']:,}",
                  *(words.measured("accuracy", counts[at][key]) for key in ("precision", "recall", "f1")))
                 for at in order)
    more = f" The {MAX_LABELS} with the lowest F1 are shown." if len(counts) > MAX_LABELS else ""
    return Section(
        key="labels", title="Labels",
        sentences=(f"On {name}, each label by itself: it is predicted where its probability is above 1/2.{more}",),
        tables=(Table("How right each label is", COLUMNS, rows),),
        values={name: [{"label": label, **own} for label, own in zip(part.class_names, counts, strict=True)]})


def counts_of(part: Labels) -> list[dict[str, float | None]]:
    """Return of each label how many examples have it and are said to, with precision, recall and F1."""
    there, predicted = part.targets == 1, part.probs > 0.5
    right = (there & predicted).sum(axis=0)
    result: list[dict[str, float | None]] = []
    for hits, own, said in zip(right.tolist(), there.sum(axis=0).tolist(), predicted.sum(axis=0).tolist(), strict=True):
        result.append({"there": own, "predicted": said, "precision": hits / said if said else None,
                       "recall": hits / own if own else None, "f1": 2 * hits / (own + said) if own + said else None})
    return result
