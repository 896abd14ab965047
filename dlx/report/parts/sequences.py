"""Sequences by their length: does the model still know what it learned where they are longer?"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from dlx.report import words
from dlx.report.files import RunFiles
from dlx.report.predictions import Sequences
from dlx.report.section import Section, Table

NUM_GROUPS = 4
COLUMNS = ("split", "positions", "sequences", "right positions", "right throughout", "NLL")


def section(run: RunFiles) -> Section | None:
    """Tabulate what is right in val and test, by quarters of their lengths."""
    found = run.sequences
    splits = {} if found is None else {name: part for name in ("test", "val") if len(part := found.of(name))}
    if not splits:
        return None
    rows = tuple((name, length_range(group), f"{len(group):,}", *_cells(group))
                 for name, part in splits.items() for group in by_length(part))
    shown, part = next(iter(splits.items()))
    right = int(part.values["exact_match"].sum())
    return Section(
        key="sequences", title="Sequences by length",
        sentences=(f"On {shown}, {right:,} of {len(part):,} sequences are right at every position.",),
        tables=(Table("What is right, by the number of positions that are asked", COLUMNS, rows),),
        values={name: [{"length": [float(group.values["length"].min()), float(group.values["length"].max())],
                        "n": len(group), **means(group)} for group in by_length(part)]
                for name, part in splits.items()})


def by_length(part: Sequences) -> Iterator[Sequences]:
    """Yield the sequences in up to four groups of rising length and about equal size; equal lengths stay together."""
    lengths = part.values["length"]
    cuts = np.unique(np.quantile(lengths, np.arange(1, NUM_GROUPS) / NUM_GROUPS, method="lower"))
    groups = np.searchsorted(cuts, lengths, side="left")
    for group in np.unique(groups):
        here = groups == group
        yield Sequences(part.splits[here], {name: column[here] for name, column in part.values.items()})


def means(group: Sequences) -> dict[str, float]:
    """Return the mean of each number that was measured."""
    return {name: float(group.values[name].mean()) for name in ("token_accuracy", "exact_match", "nll")}


def length_range(group: Sequences) -> str:
    low, high = (int(end(group.values["length"])) for end in (np.min, np.max))
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def _cells(group: Sequences) -> tuple[str, ...]:
    return tuple(words.measured(name, value) for name, value in means(group).items())
