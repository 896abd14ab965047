"""Live progress of a training run: a bar in a terminal, a line now and then elsewhere."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

    from dlx.engine.history import Row
    from dlx.engine.recorder import Observer

UPDATE_SECONDS = 0.1
LINE_SECONDS = 5.0


@contextlib.contextmanager
def observe(saved: dict[str, Any], folder: Path, quiet: bool) -> Iterator[Observer]:
    """Yield an observer that shows a run's progress on standard error."""
    from rich.console import Console
    from rich.markup import escape

    console = Console(stderr=True, quiet=quiet)
    console.print(f"[bold]{saved['name']}[/]  seed {saved['seed']}  →  {escape(str(folder))}", highlight=False,
                  soft_wrap=True)
    if quiet or not sys.stderr.isatty():
        yield Lines(console)
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("epoch"), MofNCompleteColumn(), BarColumn(bar_width=24), TextColumn("{task.description}"),
               TimeRemainingColumn())
    with Progress(*columns, console=console, refresh_per_second=5, transient=True) as progress:
        yield Bar(progress)


def describe(row: Row) -> str:
    """Say in a few words what an epoch was: loss, and the first metric of val with its gap."""
    metric = next((name.removeprefix("val_") for name in row if name.startswith("val_") and name != "val_loss"), "loss")
    return (f"train_eval loss {_short(row['train_eval_loss'])}  val loss {_short(row['val_loss'])}  "
            f"val {metric} {_short(row[f'val_{metric}'])}  gap {_short(row[f'gap_{metric}'])}")


def _short(value: float | None) -> str:
    return "–" if value is None else f"{value:.4f}" if abs(value) < 100 else f"{value:.1f}"


class Bar:
    """A progress bar, updated at most ten times a second so that it costs small epochs nothing."""

    def __init__(self, progress: Any) -> None:
        self._progress = progress
        self._task: Any = None
        self._next = 0.0

    def started(self, epochs: int, done: int, facts: Mapping[str, object]) -> None:
        """Show the empty bar."""
        self._task = self._progress.add_task("", total=epochs, completed=done)

    def epoch(self, row: Row) -> None:
        """Advance."""
        now = time.monotonic()
        if now >= self._next:
            self._next = now + UPDATE_SECONDS
            self._progress.update(self._task, completed=row["epoch"], description=describe(row))


class Lines:
    """A line at the first epoch and then every few seconds."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._epochs = 0
        self._next = 0.0

    def started(self, epochs: int, done: int, facts: Mapping[str, object]) -> None:
        """Remember how many epochs there are."""
        self._epochs = epochs

    def epoch(self, row: Row) -> None:
        """Print, if it is time."""
        now = time.monotonic()
        if now >= self._next:
            self._next = now + LINE_SECONDS
            text = f"epoch {row['epoch']}/{self._epochs}  {describe(row)}"
            self._console.print(text, highlight=False, soft_wrap=True)
