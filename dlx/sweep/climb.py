"""Successive halving: the runs of a batch climb from rung to rung together, and the worse are stopped at each.

What is stopped follows from metrics.csv alone, so a killed driver decides the same again.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from dlx.core.errors import ConfigError
from dlx.core.search import Search
from dlx.record import layout
from dlx.record.table import read_rows
from dlx.sweep.objective import Goal, evaluate, names
from dlx.sweep.plan import Plan, Point

if TYPE_CHECKING:
    from dlx.sweep.run import Outcome


class Stage(NamedTuple):
    """How far runs go now.

    Args:
        hashes: which runs; None is all that are missing.
        pause_epoch: they pause after this epoch; None is the end of training.
        stop_reason: they are finished now, as done, with this reason.
    """

    hashes: frozenset[str] | None = None
    pause_epoch: int | None = None
    stop_reason: str | None = None


# All runs, to the end of their training.
WHOLE = Stage()


def climb(folder: Path, plan: Plan, search: Search, run: Callable[[Plan, Stage], Outcome]
          ) -> tuple[Outcome, list[int | None]]:
    """Run the last batch of a plan, by rungs where its search prunes.

    Returns:
        What all runs came to; per point the epoch at which it was stopped, or None.
    """
    if not getattr(search, "prunes", False):
        return run(plan, WHOLE), [None] * len(plan.points)
    epochs = epochs_of(plan)
    for rung in search.rungs(epochs):  # type: ignore[attr-defined]
        last = plan.points[len(plan.points) - plan.batches[-1]:]
        stopped = decide(folder, plan, search, epochs)[-len(last):]
        going = _hashes(plan, [point for point, at in zip(last, stopped, strict=True) if at is None])
        waiting = frozenset(name for name in going if _epochs_done(folder, name) < rung)
        if waiting:
            run(plan, Stage(waiting, pause_epoch=rung))
        decided = decide(folder, plan, search, epochs)[-len(last):]
        pruned = _hashes(plan, [point for point, at in zip(last, decided, strict=True) if at == rung])
        if pruned:
            run(plan, Stage(pruned, stop_reason=f"pruned at epoch {rung} by halving"))
    return run(plan, WHOLE), decide(folder, plan, search, epochs)


def epochs_of(plan: Plan) -> int:
    """Return the epochs of all runs. Raises ConfigError where they differ: rungs are epochs."""
    epochs = {int(run.saved["epochs"]) for run in plan.runs}
    if len(epochs) > 1:
        raise ConfigError("search=halving needs the same epochs for all runs; do not vary epochs")
    return epochs.pop()


def decide(folder: Path, plan: Plan, search: Search, epochs: int) -> list[int | None]:
    """Return per point the epoch at which it is stopped, as far as the runs have come."""
    rungs = search.rungs(epochs)  # type: ignore[attr-defined]
    reached = [_reached(folder, plan, point, rungs) for point in plan.points]
    starts = [sum(plan.batches[:number]) for number in range(len(plan.batches))]
    batches = [reached[start:start + count] for start, count in zip(starts, plan.batches, strict=True)]
    found: list[int | None] = search.pruned(batches, epochs, plan.goals[0].direction)  # type: ignore[attr-defined]
    return found


def _reached(folder: Path, plan: Plan, point: Point, rungs: Sequence[int]) -> dict[int, float | None]:
    """Return the objective at each rung that all runs of a point have reached, the mean over its seeds."""
    tables = [{int(row["epoch"] or 0): row for row in _rows(folder, plan.runs[run].hash)} for run in point.runs]
    found: dict[int, float | None] = {}
    for rung in rungs:
        rows = [table[rung] for table in tables if rung in table]
        if rows and len(rows) == len(tables):
            values = [at_rung(plan.goals[0], row) for row in rows]
            known = [value for value in values if value is not None]
            found[rung] = math.fsum(known) / len(known) if len(known) == len(values) else None
    return found


def at_rung(goal: Goal, row: Mapping[str, float | None]) -> float | None:
    """Return the objective in a row of metrics.csv. Raises ConfigError where it names what no row has."""
    for name in names(goal.expression):
        if name not in row:
            raise ConfigError(f"search=halving looks at metrics.csv, which has no {name}; choose search.objective "
                              f"among its columns")
    return evaluate(goal.expression, row)


def _hashes(plan: Plan, points: Sequence[Point]) -> frozenset[str]:
    return frozenset(plan.runs[run].hash for point in points for run in point.runs)


def _rows(folder: Path, name: str) -> list[dict[str, float | None]]:
    return read_rows(folder / layout.RUNS / name / layout.METRICS)


def _epochs_done(folder: Path, name: str) -> int:
    return len(_rows(folder, name))
