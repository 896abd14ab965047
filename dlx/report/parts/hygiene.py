"""Whether the data can be trusted, and the result beside simple answers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from dlx.report import words
from dlx.report.checks import Against, Checks
from dlx.report.files import RunFiles
from dlx.report.section import Section, Table
from dlx.report.summary import Summary

SAID = {"baseline": "is worse than that of", "neither": "cannot be told from that of",
        "model": "is better than that of"}


def section(run: RunFiles) -> Section | None:
    """Tell problems, remarks and baselines; None where the data was not checked."""
    return None if run.checks is None else checks_section(run.checks, run.summary)


def checks_section(checks: Checks, summary: Summary | None) -> Section:
    """Write the section of what was found, with the metrics of a model where there is one."""
    found = len(checks.problems)
    told = (f"{words.count(found, 'problem')}.", *checks.problems) if found else (clean_sentence(checks),)
    return Section(
        key="hygiene", title="Data and baselines", sentences=told,
        tables=(*baseline_tables(checks, summary), *checks.tables),
        points=(*against_sentences(checks.against), *checks.remarks), notes=checks.notes, values=checks.raw)


def clean_sentence(checks: Checks) -> str:
    """Say that nothing was found, and in what."""
    total = sum(checks.raw["num_rows"].values())
    return f"No row of one split is in another, and no leak or larger shift was found in {total:,} rows."


def baseline_tables(checks: Checks, summary: Summary | None) -> tuple[Table, ...]:
    """Lay out simple answers per split, the model first."""
    columns = ("answer", *map(words.label, checks.metrics))
    tables = []
    for split, answers in checks.baselines.items():
        rows = [(title, *map(words.measured, checks.metrics, values)) for title, values in answers]
        if summary is not None:
            own = [summary.metric(metric, split) for metric in checks.metrics]
            values = [None if item is None else item.value for item in own]
            rows.insert(0, ("this model", *map(words.measured, checks.metrics, values)))
        tables.append(Table(f"{words.title(split)} beside simple answers", columns, tuple(rows)))
    return tuple(tables)


def against_sentences(items: Sequence[Against]) -> Iterator[str]:
    """Say, a sentence per split, how a model does against simple answers."""
    for split in dict.fromkeys(item.split for item in items):
        own = [item for item in items if item.split == split]
        phrases = [f"{what} {_listed([item for item in own if item.better == better])}" for better, what in SAID.items()
                   if any(item.better == better for item in own)]
        n = sorted({item.n for item in own})
        sizes = f"n = {n[0]:,}" if len(n) == 1 else f"n = {n[0]:,} to {n[-1]:,}"
        yield (f"On {split}, {words.label(own[0].measure)} {', '.join(phrases)}, by {100 * own[0].level:g}% intervals "
               f"of paired differences, {sizes}.")


def _listed(items: Sequence[Against]) -> str:
    texts = [f"{item.title.partition(':')[0]} ({words.difference(item.measure, item.difference, None, None)})"
             for item in items]
    return texts[0] if len(texts) == 1 else f"{', '.join(texts[:-1])} and {texts[-1]}"
