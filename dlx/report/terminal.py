"""The report's first screen in a terminal, at most 100 columns wide."""

from __future__ import annotations

from rich import box
from rich.console import Console
from rich.measure import Measurement
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from dlx.report.diagnosing.diagnosis import diagnose_run
from dlx.report.files import RunFiles
from dlx.report.lead import lead
from dlx.report.section import Told
from dlx.report.sections import gap as gaps
from dlx.report.summary import Summary
from dlx.report.words import TOPICS

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
    for row in _different(summary):
        table.add_row(*(Text(cell.replace(" [", f"{separator}[")) for cell in row))
    return table


def _tall(summary: Summary) -> Table:
    table = _table(("metric", "split", "value", "gap"))
    for metric, train_eval, val, test, gap_on_val, gap_on_test in _different(summary):
        table.add_row(Text(metric), "train_eval", train_eval, "")
        table.add_row("", "val", Text(val), Text(gap_on_val))
        table.add_row("", "test", Text(test), Text(gap_on_test))
    return table


def _different(summary: Summary) -> list[tuple[str, ...]]:
    """List the rows; of metrics that say the same, such as the loss and the NLL of a classification, the last."""
    same = {row[1:]: row for row in gaps.rows(summary)}
    return list(same.values())


def _table(columns: tuple[str, ...]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1), show_edge=False)
    for index, column in enumerate(columns):
        table.add_column(column, justify="left" if index == 0 or column == "split" else "right", overflow="fold")
    return table


def print_short(run: RunFiles, console: Console) -> None:
    """Print the report's first sentences, the gap table and the next commands; the evidence where that is all."""
    width, diagnosis = min(WIDTH, console.width), diagnose_run(run)
    first, *others = lead(run, diagnosis)
    console.print(Text(first.text, style="bold"), width=width)
    if run.summary is None:
        others += [Told("cause", sentence) for sentence in diagnosis.main.evidence]
    for told in others:
        if told.topic != "next":
            console.print(_told(told), width=width)
    if run.summary is not None:
        console.print(Padding(gap_table(run.summary, width), (1, 0), expand=False))
    if diagnosis.commands:
        console.print(Text("Worth trying next", style="bold"))
    for command in diagnosis.commands:
        console.print(Text(f"  {command}"), soft_wrap=True)


def _told(told: Told) -> Table:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(width=max(map(len, TOPICS.values())), no_wrap=True)
    grid.add_column()
    grid.add_row(Text(TOPICS[told.topic], style="bold"), Text(told.text))
    return grid
