"""What a person sees of a cross-validation when it is over."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from dlx.cli.columns import fitting
from dlx.report.words import count

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from dlx.sweep.cross_validation import Averaged

COLUMNS = ("train_eval", "val", "test", "test_gap")


def print_cross_validation(console: Console, averages: Sequence[Averaged], metric: str, num_done: int, num_runs: int
                           ) -> None:
    """Print means over folds with their intervals, the metric that selects first.

    In a narrow console train_eval is left out, then val.
    """
    folds = count(num_runs, "fold") if num_done == num_runs else f"{num_done} of {count(num_runs, 'fold')}"
    console.print(f"mean over {folds}; ± is the 95% interval of Nadeau and Bengio, wider than the spread of the folds, "
                  f"whose train sets overlap", style="italic")
    console.print(fitting(console, [_table(averages, metric, COLUMNS[start:]) for start in range(3)]))


def _table(averages: Sequence[Averaged], metric: str, columns: Sequence[str]) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for name in ("metric", *columns):
        table.add_column("gap on test" if name == "test_gap" else name, no_wrap=True)
    found = {(own.metric, own.split): own for own in averages}
    for name in dict.fromkeys([metric, *(own.metric for own in averages)]):
        table.add_row(name, *(plus_minus(found.get((name, split))) for split in columns))
    return table


def plus_minus(own: Averaged | None) -> str:
    """Format a mean with half the width of its interval."""
    if own is None or math.isnan(own.mean):
        return "–"
    sign = "+" if own.split == "test_gap" and own.mean > 0 else ""
    mean = f"{sign}{own.mean:.4g}"
    return mean if math.isnan(own.low) else f"{mean} ± {(own.high - own.low) / 2:.2g}"
