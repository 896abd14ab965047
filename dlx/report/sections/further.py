"""What sections of the user's own measured: their numbers, which nothing else shows."""

from __future__ import annotations

from dlx.core.measures import Measure, Measures
from dlx.report import words
from dlx.report.files import RunFiles
from dlx.report.section import Section, Table

COLUMNS = ("number", "of", "split", "checkpoint", "value", "n")


def section(run: RunFiles) -> Section | None:
    """Tabulate them, a part for each section; None where all sections are dlx's."""
    from dlx.report.render import SECTIONS

    # Of what a section of dlx measured one by one the name begins with its own.
    names = [name for name in run.measures if name.partition("__")[0] not in SECTIONS]
    parts = tuple(_part(name, run.measures[name]) for name in names)
    return Section("further", "Further sections", parts=parts) if parts else None


def _part(name: str, found: Measures) -> Section:
    rows = tuple(_row(item) for item in found.numbers)
    return Section(name, words.title(name), points=tuple(found.skipped),
                   tables=(Table(f"Numbers of {words.label(name)}", COLUMNS, rows),) if rows else ())


def _row(item: Measure) -> tuple[str, ...]:
    value = words.number(item.value) if item.value is not None else "–"
    bounds = "" if item.low is None or item.high is None else f" {words.bounds(item.name, item.low, item.high)}"
    of = ", ".join(f"{key} {value}" for key, value in item.of.items())
    return (item.name.replace("_", " "), of or "–", item.split or "–", item.checkpoint or "–", value + bounds,
            f"{item.n:,}" if item.n else "–")
