"""Transcriptions by their length: do errors grow where more is said?"""

from __future__ import annotations

from dlx.report import words
from dlx.report.files import RunFiles
from dlx.report.parts.sequences import by_length, length_range
from dlx.report.predictions import Sequences
from dlx.report.section import Section, Table

COLUMNS = ("split", "labels", "transcriptions", "error rate", "errors", "right throughout")


def section(run: RunFiles) -> Section | None:
    """Tabulate errors in val and test, by quarters of the lengths of targets."""
    found = run.transcriptions
    splits = {} if found is None else {name: part for name in ("test", "val") if len(part := found.of(name))}
    if not splits:
        return None
    rows = tuple((name, length_range(group), f"{len(group):,}", *_cells(group))
                 for name, part in splits.items() for group in by_length(part))
    shown, part = next(iter(splits.items()))
    right = int((part.values["errors"] == 0).sum())
    return Section(
        key="transcriptions", title="Transcriptions by length",
        sentences=(f"On {shown}, {right:,} of {len(part):,} transcriptions are right throughout.",),
        tables=(Table("Errors, by the number of labels that are asked", COLUMNS, rows),),
        values={name: [{"length": [float(group.values["length"].min()), float(group.values["length"].max())],
                        "n": len(group), "error_rate": _rate(group)} for group in by_length(part)]
                for name, part in splits.items()})


def _rate(group: Sequences) -> float:
    return float((group.values["errors"] / group.values["length"].clip(min=1)).mean())


def _cells(group: Sequences) -> tuple[str, ...]:
    errors = group.values["errors"]
    return (words.measured("error_rate", _rate(group)), f"{int(errors.sum()):,}",
            words.measured("exact_match", float((errors == 0).mean())))
