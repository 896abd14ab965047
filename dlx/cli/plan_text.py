"""What a person sees of a plan before it runs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dlx.sweep.plan import Plan


def print_plan(plan: Plan, as_json: bool) -> None:
    """Print the runs that a sweep would make, with the number of the point and of the group of each."""
    rows = plan_rows(plan)
    if as_json:
        print(json.dumps(rows))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(*rows[0], title=f"{len(rows)} runs", title_justify="left")
    table.columns[0].min_width = len(rows[0]["run"])
    for row in rows:
        table.add_row(*map(str, row.values()))
    console = Console()
    console.print(table)
    for line in plan_lines(plan):
        console.print(line, highlight=False, soft_wrap=True, markup=False)


def plan_rows(plan: Plan) -> list[dict[str, Any]]:
    """Return per run its hash, point, group and what varies."""
    from dlx.sweep.tables import cell, settings_of, shown, varying

    keys = varying(plan)
    group = {index: number for number, members in enumerate(plan.groups) for index in members}
    rows = []
    for index, run in enumerate(plan.runs):
        settings = settings_of(run.saved)
        rows.append({"run": run.hash, "point": run.point, "group": group[index],
                     **{shown(key): cell(settings.get(key)) for key in keys}})
    return rows


def plan_lines(plan: Plan) -> list[str]:
    """Say what the table does not: how many points, seeds and groups, and what the search does afterwards."""
    points = sum(plan.batches)
    seeds = "" if plan.seeds is None else f" × {plan.seeds} seeds, the same at every point"
    lines = [f"{points} points{seeds}; {len(plan.runs)} runs in {len(plan.groups)} groups, one worker each"]
    lines += alone_lines(plan)
    lines += [f"{goal.direction} {goal.expression}" for goal in plan.goals]
    if plan.space is not None:
        rest = int(plan.search.get("num_trials", points)) - points
        lines.append(f"search={plan.search['part']} asks for {rest} more points when these are done")
        impossible = sum(not point.runs for point in plan.points)
        if impossible:
            lines.append(f"{impossible} of the points cannot be built, and count as failed")
    return lines + bias_lines(plan)


def alone_lines(plan: Plan) -> list[str]:
    """Say which runs train alone, and why."""
    from dlx.sweep.groups import make_groups

    alone = make_groups([run.saved for run in plan.runs], plan.workers, plan.members).alone
    reasons: dict[str, list[str]] = {}
    for index, reason in sorted(alone.items()):
        reasons.setdefault(reason, []).append(plan.runs[index].hash)
    return [f"{len(hashes)} train alone, {hashes[0]} for one: {reason}" for reason, hashes in reasons.items()]


def bias_lines(plan: Plan) -> list[str]:
    """Say what a search that stops runs early does to conclusions."""
    if plan.search["part"] != "halving":
        return []
    return ["halving stops runs early: what is left is biased against configurations that generalize late"]
