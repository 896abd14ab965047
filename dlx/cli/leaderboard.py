"""What a person sees of the leaderboard of a sweep."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from dlx.cli.columns import SETTINGS, fitting, in_one, point_text, shortened
from dlx.record import layout
from dlx.report.words import count

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from dlx.sweep.tables import Standing


# As many as a person reads; all of them are in leaderboard.csv.
MOST_ROWS = 20


def print_standings(console: Console, standings: Sequence[Standing], metric: str, of_folds: bool = False) -> None:
    """Print the leaderboard and the best configuration with its test."""
    what = "interval of Nadeau and Bengio over folds" if of_folds else "t interval over seeds"
    console.print(f"ranked by mean val {metric}; ± is the 95% {what}", style="italic")
    console.print(leaderboard(console, standings[:MOST_ROWS], metric))
    if len(standings) > MOST_ROWS:
        console.print(f"… and {len(standings) - MOST_ROWS} more in {layout.LEADERBOARD}", highlight=False)
    if standings[0].num_done:
        console.print(best_sentence(standings[0], metric), highlight=False, soft_wrap=True)


def leaderboard(console: Console, standings: Sequence[Standing], metric: str) -> Table:
    """Lay out the leaderboard: the metric that ranks, then the first other one, with gaps.

    In a narrow console the other metric is left out, then the settings share a column, then gaps are left out.
    """
    settings = shortened([typed_point(row) for row in standings])
    folded = [in_one(own) for own in settings]
    other = [name for name in standings[0].val if name != metric][:1]
    ranked = [("val", metric), ("gap", metric)]
    shown = [(settings, [*ranked, *((split, name) for name in other for split in ("val", "gap"))]),
             (settings, ranked), (folded, ranked), (folded, ranked[:1])]
    return fitting(console, [_table(standings, own, columns) for own, columns in shown])


def _table(standings: Sequence[Standing], settings: Sequence[dict[str, str]], columns: Sequence[tuple[str, str]]
           ) -> Table:
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for name in ("rank", *settings[0], "runs", *(f"{split} {name}" for split, name in columns)):
        table.add_column(name, no_wrap=name != SETTINGS, overflow="fold")
    for rank, (row, own) in enumerate(zip(standings, settings, strict=True), 1):
        estimates = {"val": row.val, "gap": row.gap}
        runs = str(row.num_done) if row.num_done == row.num_runs else f"[red]{row.num_done} of {row.num_runs}[/]"
        table.add_row(str(rank), *map(escape, own.values()), runs,
                      *(plus_minus(estimates[split].get(name)) for split, name in columns))
    return table


def typed_point(row: Standing) -> dict[str, object]:
    """Return what distinguishes a configuration, by keys as they are typed."""
    from dlx.sweep.tables import shown

    return {shown(key): value for key, value in row.point.items()}


def plus_minus(estimate: tuple[float, float, float] | None) -> str:
    """Format a mean with half the width of its interval."""
    if estimate is None or math.isnan(estimate[0]):
        return "–"
    mean, low, high = estimate
    return f"{mean:.4g}" if math.isnan(low) else f"{mean:.4g} ± {(high - low) / 2:.2g}"


def best_sentence(best: Standing, metric: str) -> str:
    """Say which configuration is best, and open test for it alone."""
    from rich.markup import escape

    point = escape(point_text(typed_point(best)))
    names = [metric, *[name for name in best.test if name != metric][:1]]
    test = ", ".join(f"{name} {plus_minus(best.test[name])}" for name in names)
    return f"[bold]Best on val[/]  {point}\n[bold]Its test[/]  {test}  ({count(best.num_done, 'run')})"
