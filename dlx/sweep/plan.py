"""From what was typed to the frozen list of runs of a sweep."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice, product
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import yaml

from dlx.config import options
from dlx.config.compose import add_problem, compose, package_problem, parse, search_folders
from dlx.config.saved import config_hash, to_saved
from dlx.config.schema import SURROUNDINGS
from dlx.core.errors import ArtefactError, ConfigError
from dlx.record import atomic, layout
from dlx.record.safe_yaml import read_yaml

if TYPE_CHECKING:
    from hydra.core.override_parser.types import Override

FORMAT = 1
HASH_DIGITS = 12
MAX_RUNS = 100_000


class PlannedRun(NamedTuple):
    """One run: its folder's name, what was typed for it, and its configuration as saved."""

    hash: str
    overrides: tuple[str, ...]
    saved: dict[str, Any]


class Plan(NamedTuple):
    """The runs of a sweep, in the order of the grid, and the keys that vary among them."""

    runs: tuple[PlannedRun, ...]
    axes: tuple[str, ...]
    groups: tuple[tuple[int, ...], ...] = ()


def make_plan(overrides: Sequence[str], config_dir: Path | None) -> Plan:
    """Expand Hydra's grid grammar and compose every run.

    Points with equal configurations become one run.

    Raises:
        ConfigError: with the problems of all points together.
    """
    parsed = parse(overrides)
    folders = search_folders(config_dir)
    refuse_axes(parsed)
    axes = tuple(override.key_or_group for override in parsed if override.is_sweep_override())
    choices = [list(islice(_points(override, folders), MAX_RUNS + 1)) for override in parsed]
    if math.prod(map(len, choices)) > MAX_RUNS:
        raise ConfigError(f"the grid has more than {MAX_RUNS:,} points; give fewer values")
    fixed = [] if any(override.key_or_group == "device.threads" for override in parsed) else ["device.threads=1"]
    runs: dict[str, PlannedRun] = {}
    problems: list[str] = []
    for point in product(*choices):
        try:
            saved = to_saved(compose("sweep", [*point, *fixed], config_dir))
        except ConfigError as error:
            problems += error.problems
            continue
        run = PlannedRun(config_hash(saved, HASH_DIGITS), point, saved)
        runs.setdefault(run.hash, run)
    if problems:
        raise ConfigError(*dict.fromkeys(problems))
    return Plan(tuple(runs.values()), axes)


def refuse_axes(parsed: Sequence[Override]) -> None:
    """Refuse what several values cannot be given for, or what would be lost where they are typed out."""
    axes = [override for override in parsed if override.is_sweep_override()]
    problems = [f"{override.input_line}: {override.key_or_group} is one for the whole sweep; give one value"
                for override in axes if override.key_or_group.partition(".")[0] in SURROUNDINGS]
    problems += [package_problem(override) for override in axes if override.package is not None]
    problems += [add_problem(override.key_or_group) for override in axes
                 if override.is_add() and not override.is_force_add() and "." in override.key_or_group]
    if problems:
        raise ConfigError(*problems)


def _points(override: Override, folders: Sequence[Path]) -> Iterator[str]:
    from hydra.core.override_parser.types import Glob

    if not override.is_sweep_override():
        assert override.input_line is not None
        yield override.input_line
        return
    if override.is_interval_sweep():
        raise ConfigError(f"{override.input_line}: an interval has endless values and needs a random search; "
                          f"list values, or use range(start,stop,step)")
    key = override.key_or_group
    value: Any = override.value()
    if isinstance(value, Glob):
        names: list[str] = value.filter(options.options(key, folders))
        if not names:
            raise ConfigError(f"{override.input_line} matches no option of {key}")
        yield from (f"{key}={name}" for name in names)
        return
    yield from (f"{key}={text}" for text in override.sweep_string_iterator())


def write_plan(folder: Path, plan: Plan) -> None:
    """Freeze a plan in sweep.yaml: what all runs share once, what differs per run, in the order of the keys."""
    saved = [run.saved for run in plan.runs]
    common = {key: value for key, value in saved[0].items() if all(_same(other.get(key), value) for other in saved)}
    # Interpolations and paths are never read from a file; what they came to is in the values.
    runs = [{"hash": run.hash, "overrides": [text for text in run.overrides if "${" not in text and ".." not in text],
             "values": {key: value for key, value in run.saved.items() if key not in common}} for run in plan.runs]
    content = {"format": FORMAT, "axes": list(plan.axes), "keys": list(saved[0]), "common": common, "runs": runs}
    dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)

    class Plain(dumper):  # type: ignore[misc, valid-type]
        """Writes equal objects twice instead of as an alias."""

        def ignore_aliases(self, data: object) -> bool:
            return True

    atomic.write_text(folder / layout.SWEEP, yaml.dump(content, Dumper=Plain, sort_keys=False, allow_unicode=True))


def _same(one: Any, other: Any) -> bool:
    # With the order of parts, which matters.
    return json.dumps(one) == json.dumps(other)


def read_plan(folder: Path) -> Plan:
    """Read a frozen plan. Raises ArtefactError where sweep.yaml is not one."""
    path = folder / layout.SWEEP
    content = read_yaml(path)
    if content.get("format") != FORMAT:
        raise ArtefactError(f"{path} refused: format {content.get('format')!r}, this dlx reads {FORMAT}")
    try:
        runs = tuple(_planned(path, content, item) for item in content["runs"])
        plan = Plan(runs, tuple(content["axes"]))
    except (KeyError, TypeError, AttributeError) as error:
        raise ArtefactError(f"{path} is not a plan: {error!r}") from error
    if not runs:
        raise ArtefactError(f"{path} is not a plan: it has no runs")
    return plan


def _planned(path: Path, content: Mapping[str, Any], item: Mapping[str, Any]) -> PlannedRun:
    given = {**content["common"], **item["values"]}
    saved = {key: given.pop(key) for key in content["keys"]}
    run = PlannedRun(config_hash(saved, HASH_DIGITS), tuple(map(str, item["overrides"])), saved)
    if given or run.hash != item["hash"]:
        raise ArtefactError(f"{path} was altered: run {item['hash']!r} has hash {run.hash}")
    return run


def flatten(nested: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Turn {"a": {"b": 1}} into {"a.b": 1}; an empty mapping stays a value."""
    flat: dict[str, Any] = {}
    for key, value in nested.items():
        flat |= flatten(value, f"{prefix}{key}.") if isinstance(value, dict) and value else {f"{prefix}{key}": value}
    return flat
