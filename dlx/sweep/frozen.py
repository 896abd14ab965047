"""sweep.yaml: a plan as plain data, read back without composing anything."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any, get_args

import yaml

from dlx.config.saved import config_hash
from dlx.core.errors import ArtefactError, ConfigError
from dlx.core.repeats import FOLDS
from dlx.core.search import Axis, Direction
from dlx.record import atomic, layout
from dlx.record.safe_yaml import read_yaml
from dlx.sweep.objective import Goal, parse
from dlx.sweep.plan import HASH_DIGITS, MAX_TEMPLATES, Plan, PlannedRun, Point
from dlx.sweep.space import Space, Template, first

FORMAT = 2


def write_plan(folder: Path, plan: Plan) -> None:
    """Freeze a plan in sweep.yaml: what all runs share once, what differs per run, in the order of the keys."""
    shared, values = _factored([run.saved for run in plan.runs])
    runs = [{"hash": run.hash, "point": run.point, "overrides": _plain_texts(run.overrides), "values": own}
            for run, own in zip(plan.runs, values, strict=True)]
    content = {"format": FORMAT, "axes": list(plan.axes), "search": plan.search, "seeds": plan.seeds,
               "folds": [{"key": key, "values": list(values)} for key, values in plan.folds],
               "objective": [goal._asdict() for goal in plan.goals], "batches": list(plan.batches), **shared,
               "runs": runs, "workers": plan.workers, "members": plan.members, "groups": list(map(list, plan.groups)),
               "plain": [{"run": index, "why": why} for index, why in plan.plain.items()],
               "points": [{"at": list(point.position), "runs": list(point.runs)} for point in plan.points],
               "space": None if plan.space is None else _frozen_space(plan.space)}
    content["digest"] = _digest(content)
    dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)

    class Plain(dumper):  # type: ignore[misc, valid-type]
        """Writes equal objects twice instead of as an alias."""

        def ignore_aliases(self, data: object) -> bool:
            return True

    atomic.write_text(folder / layout.SWEEP, yaml.dump(content, Dumper=Plain, sort_keys=False, allow_unicode=True))


def _factored(saved: Sequence[Mapping[str, Any]]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return the keys and common values of configurations, and what each has of its own."""
    head = saved[0] if saved else {}
    common = {key: value for key, value in head.items() if all(_same(other.get(key), value) for other in saved)}
    own = [{key: value for key, value in one.items() if key not in common} for one in saved]
    return {"keys": list(head), "common": common}, own


def _same(one: Any, other: Any) -> bool:
    # With the order of parts, which matters.
    return one is other or json.dumps(one) == json.dumps(other)


def _plain_texts(texts: Sequence[str | int]) -> list[str | int]:
    # Interpolations and paths are never read from a file; what they came to is in the values.
    return [text for text in texts if isinstance(text, int) or ("${" not in text and ".." not in text)]


def _frozen_space(space: Space) -> dict[str, Any]:
    shared, values = _factored([template.saved for template in space.templates.values()])
    templates = [{"at": list(at), "follows": template.follows, "values": own}
                 for (at, template), own in zip(space.templates.items(), values, strict=True)]
    axes = [{**axis._asdict(), "values": list(axis.values), "texts": list(axis.texts)} for axis in space.axes]
    return {"axes": axes, "composed": list(space.composed), "typed": _plain_texts(space.typed), **shared,
            "templates": templates}


def _digest(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:16]


def read_plan(folder: Path) -> Plan:
    """Read a frozen plan. Raises ArtefactError where sweep.yaml is not one."""
    path = folder / layout.SWEEP
    content = read_yaml(path)
    if content.get("format") != FORMAT:
        raise ArtefactError(f"{path} refused: format {content.get('format')!r}, this dlx reads {FORMAT}")
    try:
        plan = _plan(path, content)
    except (KeyError, TypeError, AttributeError, ValueError, IndexError, ConfigError) as error:
        raise ArtefactError(f"{path} is not a plan: {error!r}") from error
    if not plan.runs:
        raise ArtefactError(f"{path} is not a plan: it has no runs")
    digest = content.pop("digest", None)
    if digest != _digest(content):
        raise ArtefactError(f"{path} was altered: its digest is not {digest!r}")
    return plan


def _plan(path: Path, content: Mapping[str, Any]) -> Plan:
    runs = tuple(_planned(path, content, item) for item in content["runs"])
    groups = tuple(tuple(map(_index, group)) for group in content["groups"])
    if sorted(index for group in groups for index in group) != list(range(len(runs))):
        raise ValueError("each run must be in one group")
    plain = {_index(item["run"]): str(item["why"]) for item in content["plain"]}
    if not {(index,) for index in plain} <= set(groups):
        raise ValueError("a run that is no member must be a group of its own")
    seeds, search, sharing = content["seeds"], content["search"], (content["workers"], content["members"])
    counts = [*sharing, *([] if seeds is None else [seeds])]
    if not isinstance(search, dict) or not all(_index(count) > 0 for count in counts):
        raise ValueError("search must be a part, and seeds, workers and members counts")
    space = None if content["space"] is None else _space(content["space"])
    points = tuple(_point(item, space, len(runs)) for item in content["points"])
    batches = tuple(map(_index, content["batches"]))
    if space is not None and sum(batches) != len(points):
        raise ValueError("batches do not add up to the points")
    folds = tuple(_folds(item) for item in content.get("folds", []))
    if space is not None:
        # Every key must be one that can be patched.
        _index(space.saved(first(space.axes), {"seed": 0, **{key: own[0] for key, own in folds}})["seed"])
    return Plan(runs, tuple(map(str, content["axes"])), groups, search, tuple(map(_goal, content["objective"])), seeds,
                batches, points, space, *sharing, plain, folds)


def _folds(item: Mapping[str, Any]) -> tuple[str, tuple[int, ...]]:
    if item["key"] not in FOLDS or not item["values"]:
        raise ValueError(f"{str(item['key'])[:50]!r} is no fold to repeat points with")
    return str(item["key"]), tuple(map(_index, item["values"]))


def _planned(path: Path, content: Mapping[str, Any], item: Mapping[str, Any]) -> PlannedRun:
    saved = _unfactored(content, item["values"])
    run = PlannedRun(config_hash(saved, HASH_DIGITS), tuple(map(str, item["overrides"])), saved, _index(item["point"]))
    if run.hash != item["hash"]:
        raise ArtefactError(f"{path} was altered: run {item['hash']!r} has hash {run.hash}")
    return run


def _unfactored(content: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    given = {**content["common"], **own}
    saved = {key: given.pop(key) for key in content["keys"]}
    if given:
        raise ValueError(f"{str(next(iter(given)))[:100]} is none of its keys")
    return saved


def _index(value: Any) -> int:
    if type(value) is not int or value < 0:
        raise ValueError(f"{str(value)[:50]!r} is not a whole number from 0")
    return value


def _goal(item: Mapping[str, Any]) -> Goal:
    goal = Goal(**item)
    parse(goal.expression)
    if goal.direction not in get_args(Direction):
        raise ValueError(f"{str(goal.direction)[:50]!r} is no direction")
    return goal


def _space(content: Mapping[str, Any]) -> Space:
    axes = tuple(map(_axis, content["axes"]))
    composed = tuple(map(_index, content["composed"]))
    templates = {tuple(map(_index, item["at"])): Template(_unfactored(content, item["values"]), dict(item["follows"]))
                 for item in content["templates"]}
    choices = [range(len(axes[index].values)) for index in composed]
    if len(content["templates"]) > MAX_TEMPLATES or list(templates) != list(product(*choices)):
        raise ValueError("templates are not those of its choices")
    typed = tuple(item if isinstance(item, str) else range(len(axes))[_index(item)] for item in content["typed"])
    space = Space(axes, composed, templates, typed)
    for at in templates:
        # Every key must be one that can be patched.
        _index(space.saved(space.at(at, first(axes)), {})["seed"])
    return space


def _axis(item: Mapping[str, Any]) -> Axis:
    axis = Axis(**{**item, "values": tuple(item["values"]), "texts": tuple(item["texts"])})
    numbers = all(type(end) in (int, float) for end in (axis.low, axis.high)) and type(axis.low) is type(axis.high)
    flags = all(isinstance(flag, bool) for flag in (axis.log, axis.ordered, axis.shuffled))
    if not (numbers and flags and isinstance(axis.key, str) and isinstance(axis.typed, str)
            and len(axis.values) == len(axis.texts) and all(isinstance(text, str) for text in axis.texts)):
        raise ValueError(f"{str(axis.key)[:50]!r} is no axis")
    if axis.is_interval and not (0 if axis.log else -1e308) < axis.low < axis.high < 1e308:
        raise ValueError(f"{axis.key[:50]!r} is no interval")
    if axis.ordered and not all(type(value) in (int, float) for value in axis.values):
        raise ValueError(f"{axis.key[:50]!r} is no range")
    return axis


def _point(item: Mapping[str, Any], space: Space | None, num_runs: int) -> Point:
    runs = tuple(range(num_runs)[_index(run)] for run in item["runs"])
    axes = () if space is None else space.axes
    if len(item["at"]) != len(axes) or not all(map(_is_on, axes, item["at"])):
        raise ValueError("a point is not on its axes")
    return Point(tuple(item["at"]), runs)


def _is_on(axis: Axis, at: Any) -> bool:
    if axis.is_interval:
        return type(at) is type(axis.low) and bool(axis.low <= at <= axis.high)
    return _index(at) < len(axis.values)
