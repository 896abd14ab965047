"""The report's first screen in a terminal, at most 100 columns wide."""

from __future__ import annotations

from rich import box
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from dlx.report import gaps
from dlx.report.finding import Diagnosis
from dlx.report.summary import Summary

WIDTH = 100


def gap_table(summary: Summary) -> Table:
    """Lay out metrics and gaps with their intervals, which get a line of their own where one line is too long."""
    table = _table(summary, " ")
    wide = Console(width=10_000)
    return table if Measurement.get(wide, wide.options, table).maximum <= WIDTH else _table(summary, "\n")


def _table(summary: Summary, separator: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1))
    for index, column in enumerate(gaps.COLUMNS):
        table.add_column(column, justify="left" if index == 0 else "right", no_wrap=True)
    for row in gaps.rows(summary):
        table.add_row(*(Text(cell.replace(" [", f"{separator}[")) for cell in row))
    return table


def print_short(summary: Summary | None, diagnosis: Diagnosis, console: Console) -> None:
    """Print verdict, gap table, evidence and the next commands."""
    width = min(WIDTH, console.width)
    console.print(Text(gaps.verdict(summary, diagnosis), style="bold"), width=width)
    if summary is not None:
        console.print(gap_table(summary))
    for finding in diagnosis.findings:
        console.print(Text(finding.title, style="bold"), width=width)
        for sentence in (finding.verdict, *finding.evidence):
            console.print(Text(f"  {sentence}"), width=width)
    if diagnosis.commands:
        console.print(Text("Worth trying next", style="bold"))
    for command in diagnosis.commands:
        console.print(Text(f"  {command}"), soft_wrap=True)
