"""What a person sees of the objectives of a search when it is over."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from dlx.cli.columns import point_text
from dlx.report.words import count

if TYPE_CHECKING:
    from rich.console import Console

    from dlx.sweep.conduct import Conducted
    from dlx.sweep.plan import Plan


def front_rows(conducted: Conducted) -> list[dict[str, Any]]:
    """Return the best point, or the Pareto front of several objectives from the best by the first on.

    Of each: what varies, the objectives and the runs.
    """
    from dlx.core.repeats import repeats
    from dlx.sweep.conduct import goal_values, pareto_front
    from dlx.sweep.tables import settings_of, shown, varying

    plan, results = conducted.plan, conducted.outcome.results
    keys = [key for key in varying(plan) if not repeats(key)]
    values = goal_values(plan, results)
    rows = []
    front = pareto_front(plan.goals, values)
    for point in sorted(front, key=lambda point: plan.goals[0].sign * (values[point] or (0.0,))[0]):
        runs = [run for run in plan.runs if run.point == point]
        settings, own = settings_of(runs[0].saved), values[point]
        assert own is not None, "a front is made of points with values"
        rows.append({"point": {shown(key): settings.get(key) for key in keys},
                     "objective": {goal.expression: value for goal, value in zip(plan.goals, own, strict=True)},
                     "runs": [run.hash for run in runs]})
    return rows


def print_front(console: Console, plan: Plan, rows: Sequence[dict[str, Any]], ranked_by: str) -> None:
    """Print a front; nothing where the leaderboard, by what it ranks by, has said what is best."""
    from rich.markup import escape

    if not rows or [goal.expression for goal in plan.goals] == [ranked_by]:
        return
    goals = ", ".join(f"{goal.direction} {goal.expression}" for goal in plan.goals)
    title = "Best" if len(plan.goals) == 1 else "Pareto front"
    console.print(f"[bold]{title}[/]  {escape(goals)}", highlight=False, soft_wrap=True)
    for line in front_lines(rows):
        console.print(line, highlight=False, soft_wrap=True, markup=False)


def front_lines(rows: Sequence[dict[str, Any]]) -> list[str]:
    """Write a front, a line per point."""
    lines = []
    for row in rows:
        point = point_text(row["point"])
        numbers = ", ".join(f"{expression} {value:.4g}" for expression, value in row["objective"].items())
        lines.append(f"  {point}  →  {numbers}  ({count(len(row['runs']), 'run')})")
    return lines
