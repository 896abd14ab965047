"""From what was typed to the list of runs of a sweep."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

from dlx.config.build import ANY_PACKAGE, build, lookup, make_search
from dlx.config.compose import parse, search_folders
from dlx.config.saved import PART, config_hash, to_part
from dlx.core.device import usable_cores
from dlx.core.errors import ConfigError
from dlx.core.repeats import SEED, SEEDS, repeats
from dlx.core.search import Axis, Position, Search, Trial
from dlx.sweep.axes import ends, read_axes, refuse_axes
from dlx.sweep.folds import Repeats, refuse_outer, set_apart
from dlx.sweep.groups import MOST_MEMBERS, make_groups
from dlx.sweep.objective import Goal, make_goals
from dlx.sweep.space import Space, Typed, first, make_space, patched

HASH_DIGITS = 12
MAX_RUNS = 100_000
# Each is composed at the start of a search, and kept in sweep.yaml.
MAX_TEMPLATES = 1000


class PlannedRun(NamedTuple):
    """One run: its folder's name, what was typed for it, its configuration as saved, and the number of its point."""

    hash: str
    overrides: tuple[str, ...]
    saved: dict[str, Any]
    point: int = 0


class Point(NamedTuple):
    """A point that a search asked for, and its runs as indices; none where its parts do not fit together."""

    position: Position
    runs: tuple[int, ...]


class Plan(NamedTuple):
    """The runs of a sweep.

    Args:
        runs: in the order in which they were asked for; equal ones are one.
        axes: keys that vary, as typed.
        groups: runs that are trained together, indices into runs; each run is in one group.
        search: the part that asks for points, in saved form.
        goals: what is searched for; empty where nothing but the leaderboard ranks.
        seeds: of each point, if their number was given.
        batches: how many points each batch has.
        points, space: of a search, which goes on from them; of a grid empty and None.
        workers: that were planned for, at a time.
        members: of a group, at most.
        plain: why each run that is computed as no member of a fused run is none.
        folds: with which each point of a search is repeated, by key; empty for a grid, whose axes they are.
    """

    runs: tuple[PlannedRun, ...]
    axes: tuple[str, ...]
    groups: tuple[tuple[int, ...], ...] = ()
    search: dict[str, Any] = {PART: "grid"}  # noqa: RUF012
    goals: tuple[Goal, ...] = ()
    seeds: int | None = None
    batches: tuple[int, ...] = ()
    points: tuple[Point, ...] = ()
    space: Space | None = None
    workers: int = 1
    members: int = 1
    plain: dict[int, str] = {}  # noqa: RUF012
    folds: Repeats = ()

    @property
    def runs_per_point(self) -> int:
        """How many runs each point of a search has, and each of a grid that is given seeds."""
        return (self.seeds or 1) * math.prod(len(values) for _, values in self.folds)


def make_plan(overrides: Sequence[str], config_dir: Path | None) -> Plan:
    """Plan the runs that are known before any is trained: all of a grid, the first batch of a search.

    Points with equal configurations become one run.

    Raises:
        ConfigError: with the problems of all points together.
    """
    return plan_sweep(overrides, config_dir)[0]


def plan_sweep(overrides: Sequence[str], config_dir: Path | None) -> tuple[Plan, dict[str, Any]]:
    """Return the plan, as `make_plan`, and the resolved configuration of its first point, for what surrounds runs."""
    parsed = parse(overrides)
    refuse_axes(parsed)
    axes = read_axes(parsed, search_folders(config_dir))
    fixed = [] if any(override.key_or_group == "device.threads" for override in parsed) else ["device.threads=1"]
    typed = Typed("sweep", parsed, config_dir, fixed)
    config = _first_config(typed, axes)
    part = to_part("search", config["search"])
    search, seeds = make_search(part, [ANY_PACKAGE]), config["seeds"]
    is_grid = part[PART] == "grid"
    folds: Repeats = ()
    refuse_outer(axes)
    keys = [override.key_or_group for override in parsed]
    if not is_grid:
        parsed, axes, folds = set_apart(parsed, axes)
        typed = typed._replace(parsed=parsed)
    refuse_together(part[PART], keys, axes, seeds)
    positions = _counted(search.ask(axes, [], []), seeds or 1) if is_grid else []
    repeated = (*([] if seeds is None else [SEED]), *(key for key, _ in folds))
    space = make_space(typed, axes, repeated, MAX_RUNS if is_grid else MAX_TEMPLATES)
    goals: tuple[Goal, ...] = ()
    if not is_grid or search.objective is not None:
        templates = _templates(space)
        goals = make_goals(search.objective, search.direction, templates, _better(templates))
    names = (*(axis.key for axis in axes), *repeated)
    plan = Plan((), names, search=part, goals=goals, seeds=seeds, folds=folds, workers=_workers(config["workers"]),
                members=MOST_MEMBERS if config["members"] == "auto" else config["members"])
    if is_grid:
        return _with_batch(plan, space, positions, [ANY_PACKAGE]), config
    check_ends(space)
    return extended(plan._replace(space=space), search, [], [ANY_PACKAGE]), config


def _workers(workers: int | str) -> int:
    return len(usable_cores()) if isinstance(workers, str) else workers


def _first_config(typed: Typed, axes: Sequence[Axis]) -> dict[str, Any]:
    try:
        return typed.compose(axes, first(axes)).config
    except ConfigError:
        # The same error, with the problems of all other points.
        make_space(typed, axes, (), MAX_RUNS)
        raise


def refuse_together(search: str, keys: Sequence[str], axes: Sequence[Axis], seeds: int | None) -> None:
    """Refuse axes that a search cannot have. Raises ConfigError."""
    problems = []
    seed = next((axis for axis in axes if axis.key == SEED), None)
    if seed is not None and seeds is not None:
        problems.append(f"seeds={seeds} and {seed.typed} both say which seeds to use; give one of them")
    if search != "grid":
        problems += [f"{axis.typed}: a seed is no hyperparameter to search for; repeat each point with seeds=5"
                     for axis in axes if axis.key in SEEDS]
        if not axes:
            problems.append(f"search={search} has nothing to search; give an axis, "
                            f"optimizer.lr=tag(log,interval(1e-4,1)) for one")
        problems += [f"{axis.typed}: search={search} keeps its axes in a file, which may hold no interpolation; write "
                     f"the values" for axis in axes if "${" in axis.typed]
        problems += [f"{axis.typed} has more than {MAX_RUNS:,} values; use int(interval(low,high))"
                     for axis in axes if len(axis.values) > MAX_RUNS]
        problems += [f"{axis.typed}: {axis.key} is given twice" for axis in axes if keys.count(axis.key) > 1]
    if problems:
        raise ConfigError(*problems)


def _counted(positions: list[Position], runs_per_point: int) -> list[Position]:
    if len(positions) * runs_per_point > MAX_RUNS:
        raise ConfigError(f"the sweep has more than {MAX_RUNS:,} runs; give fewer points or seeds")
    return positions


def _templates(space: Space) -> list[dict[str, Any]]:
    rules = [axis.values for axis in space.axes if axis.key == "selection" and not axis.is_interval]
    saved = [template.saved for template in space.templates.values()]
    return [patched(one, {"selection": rule}) for one in saved for rule in rules[0]] if rules else saved


def _better(templates: Sequence[Mapping[str, Any]]) -> dict[str, bool]:
    parts = {name: values[PART] for saved in templates for name, values in saved["metric"].items()}
    return {"loss": False, **{name: bool(lookup("metric", part, [ANY_PACKAGE]).greater_is_better)  # type: ignore[attr-defined]
                              for name, part in parts.items()}}


def check_ends(space: Space) -> None:
    """Refuse values, and ends of intervals, that cannot be built with any choice. Raises ConfigError with all.

    A value that some choices take and others do not is left to the search, for which such a point has failed.
    """
    lowest, highest = first(space.axes), tuple(ends(axis)[-1] for axis in space.axes)
    problems: dict[str, None] = {}
    for moved, axis in enumerate(space.axes):
        for at in ends(axis):
            places = [space.at(template, (*others[:moved], at, *others[moved + 1:]))
                      for template in space.templates for others in (lowest, highest)]
            places = [place for place in dict.fromkeys(places) if place[moved] == at]
            wrong = [part_problems(space.saved(place, {}), [ANY_PACKAGE]) for place in places]
            if all(wrong):
                typed = " ".join(space.overrides(places[0], {}))
                problems |= {f"{typed}: {problem}": None for problem in wrong[0]}
    if problems:
        raise ConfigError(*problems)


def part_problems(saved: dict[str, Any], trust: Collection[str]) -> tuple[str, ...]:
    """Say why the parts of a configuration cannot be built, or do not fit together."""
    try:
        build(saved, trust)
    except ConfigError as error:
        return error.problems
    return ()


def extended(plan: Plan, search: Search, trials: Sequence[Trial], trust: Collection[str]) -> Plan:
    """Return the plan with the next batch of a search, the same plan where the search is over.

    Args:
        trials: what came of every point of the plan, in order.
    """
    assert plan.space is not None, "a search that goes on has its space"
    positions = _counted(search.ask(plan.space.axes, trials, [goal.direction for goal in plan.goals]),
                         plan.runs_per_point)
    if not positions:
        return plan
    possible = [not part_problems(plan.space.saved(position, {}), trust) for position in positions]
    return _with_batch(plan, plan.space, positions, trust, possible)


def _with_batch(plan: Plan, space: Space, positions: Sequence[Position], trust: Collection[str],
                possible: Sequence[bool] | None = None) -> Plan:
    numbers = {run.hash: index for index, run in enumerate(plan.runs)}
    runs, points = list(plan.runs), list(plan.points)
    own = [index for index, axis in enumerate(space.axes) if not repeats(axis.key)]
    known: dict[object, int] = {}
    for index, position in enumerate(positions):
        # A seed or fold that is an axis of a grid makes no point of its own; each trial of another search is one.
        name = tuple(position[axis] for axis in own) if plan.space is None else index
        point = known.setdefault(name, len(known)) + sum(plan.batches)
        made = _point_runs(plan, space, position, point) if possible is None or possible[index] else []
        for run in made:
            if numbers.setdefault(run.hash, len(runs)) == len(runs):
                runs.append(run)
        points.append(Point(position, tuple(numbers[run.hash] for run in made)))
    first_new = len(plan.runs)
    grouping = make_groups([run.saved for run in runs[first_new:]], plan.workers, plan.members, trust)
    groups = (*plan.groups, *(tuple(first_new + index for index in group) for group in grouping.groups))
    plain = plan.plain | {first_new + index: why for index, why in grouping.plain.items()}
    plan = plan._replace(runs=tuple(runs), groups=groups, plain=plain, batches=(*plan.batches, len(known)))
    return plan if plan.space is None else plan._replace(points=tuple(points))


def _point_runs(plan: Plan, space: Space, position: Position, point: int) -> list[PlannedRun]:
    start = space.seed(position)
    seeds = [] if plan.seeds is None else [(SEED, tuple(range(start, start + plan.seeds)))]
    keys = [key for key, _ in (*seeds, *plan.folds)]
    made = []
    for values in product(*(own for _, own in (*seeds, *plan.folds))):
        repetition = dict(zip(keys, values, strict=True))
        saved = space.saved(position, repetition)
        made.append(PlannedRun(config_hash(saved, HASH_DIGITS), space.overrides(position, repetition), saved, point))
    return made
