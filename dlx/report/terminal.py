"""The report's first screen in a terminal, at most 100 columns wide."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.measure import Measurement
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from dlx.report.finding import Diagnosis
from dlx.report.sections import gap as gaps
from dlx.report.summary import Summary

WIDTH = 100


def gap_table(summary: Summary, width: int = WIDTH) -> Table:
    """Lay out metrics and gaps with their intervals.

    One row per metric where that fits into the width, with intervals on a line of their own if need be; else one row
    per metric and split.
    """
    forms = [_wide(summary, " "), _wide(summary, "\n"), _tall(summary)]
    console = Console(width=10_000)
    sizes = [Measurement.get(console, console.options, table).maximum for table in forms]
    return next((table for table, size in zip(forms, sizes, strict=True) if size <= width), forms[-1])


def _wide(summary: Summary, separator: str) -> Table:
    table = _table(gaps.COLUMNS)
    for row in gaps.rows(summary):
        table.add_row(*(Text(cell.replace(" [", f"{separator}[")) for cell in row))
    return table


def _tall(summary: Summary) -> Table:
    table = _table(("metric", "split", "value", "gap"))
    for metric, train_eval, val, test, gap_on_val, gap_on_test in gaps.rows(summary):
        table.add_row(Text(metric), "train_eval", train_eval, "")
        table.add_row("", "val", Text(val), Text(gap_on_val))
        table.add_row("", "test", Text(test), Text(gap_on_test))
    return table


def _table(columns: tuple[str, ...]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1), show_edge=False)
    for index, column in enumerate(columns):
        table.add_column(column, justify="left" if index == 0 or column == "split" else "right", overflow="fold")
    return table


def print_short(summary: Summary | None, diagnosis: Diagnosis, console: Console, problems: Sequence[str] = ()) -> None:
    """Print verdict, gap table, evidence, the first problem of the data and the next commands."""
    width = min(WIDTH, console.width)
    console.print(Text(gaps.verdict(summary, diagnosis), style="bold"), width=width)
    if summary is not None:
        console.print(Padding(gap_table(summary, width), (1, 0), expand=False))
    for finding in diagnosis.findings:
        console.print(Text(finding.title, style="bold"), width=width)
        for sentence in (finding.verdict, *finding.evidence):
            console.print(Padding(Text(sentence), (0, 0, 0, 2), expand=False), width=width)
    if problems:
        more = f" ({len(problems) - 1} more in the report)" if len(problems) > 1 else ""
        console.print(Text.assemble(("Data  ", "bold"), problems[0], more), width=width)
    if diagnosis.commands:
        console.print(Text("Worth trying next", style="bold"))
    for command in diagnosis.commands:
        console.print(Text(f"  {command}"), soft_wrap=True)
