"""A comparison in a terminal: verdicts first, then as many columns as fit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from dlx.cli.columns import fitting

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table as Columns

    from dlx.report.comparison.compare import Comparison
    from dlx.report.section import Table

# What narrower terminals leave out, in this order.
DETAILS = ("paired t", "Wilcoxon", "equivalence", "runs")
LEFT_OUT = ((), DETAILS[:2], DETAILS[:3], DETAILS)


def print_comparison(console: Console, found: Comparison, page: str | None) -> None:
    """Print what a comparison found, and where its report lies."""
    from rich.markup import escape
    from rich.table import Table as Columns

    from dlx.report.comparison.section import tables_of, verdicts
    from dlx.report.words import title

    several = len(found.others) > 1
    if several:
        console.print(f"[bold]{title(found.metric)} on {found.split}, against {escape(found.first_name)}[/]",
                      highlight=False)
    grid = Columns.grid(padding=(0, 1))
    for sentence in verdicts(found, "it" if several else None):
        grid.add_row(*(("•",) if several else ()), escape(sentence))
    console.print(grid, highlight=False)
    hidden = False
    for own in tables_of(found):
        made = [_columns(own, left_out) for left_out in LEFT_OUT]
        shown = fitting(console, made)
        hidden |= len(shown.columns) < len(own.columns)
        console.print(shown)
    if page is not None:
        console.print(f"[bold]Report[/]  {escape(page)}", highlight=False, soft_wrap=True)
    elif hidden:
        console.print("A wider terminal shows all tests, as do --json and the report of -o DIR.", highlight=False)


def _columns(own: Table, left_out: Sequence[str]) -> Columns:
    from rich import box
    from rich.markup import escape
    from rich.table import Table as Columns

    kept = [index for index, name in enumerate(own.columns) if name not in left_out]
    table = Columns(box=box.SIMPLE_HEAD, padding=(0, 1), pad_edge=False, title=escape(own.title), title_justify="left")
    for index in kept:
        table.add_column(own.columns[index], no_wrap=index > 0)
    for row in own.rows:
        table.add_row(*(escape(row[index]) for index in kept))
    return table
