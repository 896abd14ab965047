"""The loop of a search: run a batch, read what came of it, ask for the next."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from dlx.config.build import make_search
from dlx.core.search import Trial
from dlx.record import layout
from dlx.sweep.climb import WHOLE, Stage, climb
from dlx.sweep.frozen import write_plan
from dlx.sweep.journal import write_journal
from dlx.sweep.objective import Goal, evaluate
from dlx.sweep.plan import Plan, extended
from dlx.sweep.run import Outcome
from dlx.sweep.tables import Result

# Runs what is missing of a plan, as far as a stage goes.
Run = Callable[[Plan, Stage], Outcome]


class Conducted(NamedTuple):
    """A search that is over: its whole plan, and what its runs came to."""

    plan: Plan
    outcome: Outcome


def conduct(folder: Path, plan: Plan, run: Run, trust: Sequence[str]) -> Conducted:
    """Run a plan, and all batches that the search asks for after it.

    Nothing is kept but sweep.yaml, which is rewritten before a batch starts, and the run folders: killed anywhere, the
    same search goes on from them.

    Args:
        folder: of the sweep, with the plan frozen in it.
        run: called once per batch; at several stages per batch by a search that prunes.
    """
    if plan.space is None:
        return Conducted(plan, run(plan, WHOLE))
    search = make_search(plan.search, trust)
    while True:
        outcome, pruned = climb(folder, plan, search, run)
        trials = trials_of(plan, outcome.results)
        write_journal(folder / layout.JOURNAL, plan, trials, pruned)
        longer = extended(plan, search, trials, trust)
        if longer is plan:
            return Conducted(plan, outcome)
        write_plan(folder, longer)
        plan = longer


def trials_of(plan: Plan, results: Sequence[Result]) -> list[Trial]:
    """Return what came of every point of a plan whose runs are over, in the order of asking."""
    batches = [number for number, count in enumerate(plan.batches) for _ in range(count)]
    return [Trial(point.position, batch, point_values(plan.goals, [results[run] for run in point.runs]))
            for point, batch in zip(plan.points, batches, strict=True)]


def point_values(goals: Sequence[Goal], results: Sequence[Result]) -> tuple[float, ...] | None:
    """Return the mean of each objective over the seeds of a point.

    None where there are no runs, or one is not done or logs no such number: a mean over the seeds that happened to go
    well would flatter a point.
    """
    if not results or any(result.status != "done" for result in results):
        return None
    per_run = [[evaluate(goal.expression, logged(result)) for result in results] for goal in goals]
    means = [math.fsum(value for value in values if value is not None) / len(values) for values in per_run]
    return None if any(value is None for values in per_run for value in values) else tuple(means)


def logged(result: Result) -> Mapping[str, float | None]:
    """Return what an objective may see of a run, by name; nothing of test."""
    return {f"{split}_{metric}": value for (metric, split), value in result.values.items() if split != "test"}


def goal_values(plan: Plan, results: Sequence[Result]) -> dict[int, tuple[float, ...] | None]:
    """Return the objectives of every point by its number, of whatever search."""
    members: dict[int, list[Result]] = {}
    for result in results:
        members.setdefault(result.run.point, []).append(result)
    return {point: point_values(plan.goals, own) for point, own in members.items()}


def pareto_front(goals: Sequence[Goal], values: Mapping[int, tuple[float, ...] | None]) -> list[int]:
    """Return the points that no other beats: at least as good in all objectives and better in one."""
    signed = {point: [goal.sign * value for goal, value in zip(goals, own, strict=True)]
              for point, own in values.items() if own is not None}
    return [point for point, own in signed.items()
            if not any(_dominates(other, own) for other in signed.values())]


def _dominates(one: Sequence[float], other: Sequence[float]) -> bool:
    return list(one) != list(other) and all(a <= b for a, b in zip(one, other, strict=True))
