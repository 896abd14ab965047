"""What a person sees of a plan before it runs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from dlx.cli.columns import SETTINGS, fitting, in_one, shortened
from dlx.core.repeats import repeats
from dlx.report.words import count

if TYPE_CHECKING:
    from rich.table import Table

    from dlx.sweep.plan import Plan

# What the plan shows of each run beside its settings.
PLACE = ("run", "point", "group")


def print_plan(plan: Plan, as_json: bool) -> None:
    """Print the runs that a sweep would make, with the number of the point and of the group of each."""
    rows = plan_rows(plan)
    if as_json:
        print(json.dumps(rows))
        return
    from rich.console import Console

    console = Console()
    settings = shortened([{key: value for key, value in row.items() if key not in PLACE} for row in rows])
    console.print(fitting(console, [_table(rows, settings), _table(rows, [in_one(own) for own in settings])]))
    for line in plan_lines(plan):
        console.print(line, highlight=False, soft_wrap=True, markup=False)


def _table(rows: Sequence[dict[str, Any]], settings: Sequence[dict[str, str]]) -> Table:
    from rich.markup import escape
    from rich.table import Table

    table = Table(title=count(len(rows), "run"), title_justify="left")
    for name in (*PLACE, *settings[0]):
        table.add_column(name, no_wrap=name != SETTINGS, overflow="fold")
    for row, own in zip(rows, settings, strict=True):
        table.add_row(*(str(row[name]) for name in PLACE), *map(escape, own.values()))
    return table


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
    seeds = "" if plan.seeds is None else f" × {count(plan.seeds, 'seed')}, the same at every point"
    words = {"split.fold": "fold", "split.outer": "outer fold", "split.inner": "inner fold"}
    seeds += "".join(f" × {count(len(values), words[key])}" for key, values in plan.folds)
    lines = [f"{count(points, 'point')}{seeds}; {count(len(plan.runs), 'run')} in {count(len(plan.groups), 'group')}; "
             f"a group trains together in one worker"]
    lines += alone_lines(plan)
    lines += [f"{goal.direction} {goal.expression}" for goal in plan.goals]
    if plan.space is not None:
        rest = int(plan.search.get("num_trials", points)) - points
        if rest > 0:
            lines.append(f"search={plan.search['part']} asks for {count(rest, 'more point')} when these are done")
        impossible = sum(not point.runs for point in plan.points)
        if impossible:
            lines.append(f"{impossible} of the points cannot be built, and count as failed")
    return lines + bias_lines(plan)


def alone_lines(plan: Plan) -> list[str]:
    """Say which runs train alone, and why."""
    one_each = f"{count(plan.workers, 'worker')} have no more than one such run each"
    reasons: dict[str, list[str]] = {}
    for index, *others in plan.groups:
        if not others:
            reasons.setdefault(plan.plain.get(index, one_each), []).append(plan.runs[index].hash)
    return [f"{count(len(hashes), 'run')} alone, {hashes[0]} for one: {reason}" for reason, hashes in reasons.items()]


def bias_lines(plan: Plan) -> list[str]:
    """Say what stopping runs early, or choosing by rows that other folds test on, does to conclusions."""
    told = []
    keys = [*plan.axes]
    if "split.fold" in keys and any(not repeats(key) for key in keys):
        told.append("folds test on rows that the choice saw as val of other folds, which flatters it; split=nested "
                    "keeps them apart")
    if plan.search["part"] != "halving":
        return told
    return [*told, "halving stops runs early: what is left is biased against configurations that generalize late"]
