"""Live progress of a sweep: a line that changes in a terminal, a line now and then elsewhere."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dlx.core.errors import ArtefactError
from dlx.record import layout
from dlx.record.safe_yaml import read_json

if TYPE_CHECKING:
    from rich.console import Console

    from dlx.sweep.job import Task
    from dlx.sweep.progress import Progress

LINE_SECONDS = 10.0


@contextlib.contextmanager
def watching(path: Path, total: int, done: int, jobs_at_a_time: int, quiet: bool) -> Iterator[Shown]:
    """Yield a watch that shows on standard error how far a sweep is; `done` of `total` runs were over before."""
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import BarColumn, TextColumn
    from rich.progress import Progress as Bar

    console = Console(stderr=True, quiet=quiet)
    at_a_time = f", {jobs_at_a_time} at a time" if done < total else ""
    console.print(f"[bold]sweep[/]  {total} runs, {done} done before{at_a_time}  →  {escape(str(path))}",
                  highlight=False, soft_wrap=True)
    if quiet or not sys.stderr.isatty():
        yield Lines(console, total, done)
        return
    columns = (TextColumn("runs {task.fields[over]}/{task.total:.0f}"), BarColumn(bar_width=24),
               TextColumn("{task.description}"))
    with Bar(*columns, console=console, refresh_per_second=5, transient=True) as bar:
        yield Live(bar, total, done)


class Shown:
    """What there is to say of a sweep in progress: told by the driver, said by `say`.

    Args:
        total: number of runs.
        done: runs that were over before.
    """

    def __init__(self, total: int, done: int) -> None:
        self.total = total
        self.over = done
        self.num_failed = 0
        self.best: tuple[str, float] | None = None
        self._before = done
        self._since = time.monotonic()

    def ended(self, tasks: Iterable[Task], num_failed: int) -> None:
        """Count runs that are over, and notice the best."""
        for task in tasks:
            self.over += 1
            self._compare(task)
        self.num_failed = num_failed

    def look(self, in_flight: list[Progress]) -> None:
        """Say how far it is."""
        trained = self.over + sum(found.share for found in in_flight)
        over = self.over + sum(found.over for found in in_flight)
        self.say(trained, over, ", ".join(self.facts(trained, in_flight)))

    def say(self, trained: float, over: int, text: str) -> None:
        """Show it; `trained` is how much of the runs is, counted in runs, and `over` how many are over."""

    def facts(self, trained: float, in_flight: list[Progress]) -> list[str]:
        """Return what there is to say."""
        members = sum(found.runs - found.over for found in in_flight)
        found = [f"{members} in flight"]
        if len(in_flight) == 1 and in_flight[0].epochs:
            found[0] += f" at epoch {in_flight[0].epoch}/{in_flight[0].epochs}"
        elif members > len(in_flight):
            found[0] += f" in {len(in_flight)} jobs"
        found += [f"{self.num_failed} failed"] if self.num_failed else []
        found += [f"best val {self.best[0]} {self.best[1]:.4g}"] if self.best is not None else []
        left = self._seconds_left(trained)
        return found if left is None else [*found, f"{timedelta(seconds=round(left))} left"]

    def _seconds_left(self, trained: float) -> float | None:
        gained = trained - self._before
        elapsed = time.monotonic() - self._since
        return None if gained <= 0 else max(0.0, (self.total - trained) * elapsed / gained)

    def _compare(self, task: Task) -> None:
        # The metric of the selection rule, as the leaderboard ranks.
        rule = str(task.saved["selection"])
        metric = rule.removeprefix("best_val_") if rule.startswith("best_val_") else "loss"
        try:
            rows: list[dict[str, Any]] = read_json(task.folder / layout.SUMMARY)["metrics"]
            row = next(row for row in rows if (row["metric"], row["split"]) == (metric, "val"))
            value, sign = row["value"], 1 if row["greater_is_better"] else -1
            if value is not None and (self.best is None or sign * value > sign * self.best[1]):
                self.best = metric, float(value)
        except (ArtefactError, KeyError, TypeError, StopIteration):
            # A run without a result, or with a damaged one, which the table will say.
            return


class Live(Shown):
    """In a terminal: one line that changes."""

    def __init__(self, bar: Any, total: int, done: int) -> None:
        super().__init__(total, done)
        self._bar = bar
        self._task = bar.add_task("", total=total, completed=done, over=done)

    def say(self, trained: float, over: int, text: str) -> None:
        """Change the line."""
        self._bar.update(self._task, completed=trained, over=over, total=self.total, description=text)


class Lines(Shown):
    """Elsewhere: a line every few seconds."""

    def __init__(self, console: Console, total: int, done: int) -> None:
        super().__init__(total, done)
        self._console = console
        self._next = time.monotonic() + LINE_SECONDS

    def say(self, trained: float, over: int, text: str) -> None:
        """Print a line, if it is time."""
        now = time.monotonic()
        if now >= self._next:
            self._next = now + LINE_SECONDS
            self._console.print(f"{over} of {self.total} runs done, {text}", highlight=False, soft_wrap=True)
