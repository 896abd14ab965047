"""From what was typed to the frozen list of runs of a sweep."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import yaml

from dlx.config import options
from dlx.config.compose import compose, parse, search_folders
from dlx.config.saved import config_hash, to_saved
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


def make_plan(overrides: Sequence[str], config_dir: Path | None) -> Plan:
    """Expand Hydra's grid grammar and compose every run.

    Points with equal configurations become one run.

    Raises:
        ConfigError: with the problems of all points together.
    """
    parsed = parse(overrides)
    folders = search_folders(config_dir)
    axes = tuple(override.key_or_group for override in parsed if override.is_sweep_override())
    choices = [list(_points(override, folders)) for override in parsed]
    fixed = [] if any(override.key_or_group == "device.threads" for override in parsed) else ["device.threads=1"]
    runs: dict[str, PlannedRun] = {}
    problems: list[str] = []
    for count, point in enumerate(product(*choices)):
        if count >= MAX_RUNS:
            raise ConfigError(f"the grid has more than {MAX_RUNS:,} points; give fewer values")
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
    """Freeze a plan in sweep.yaml: what all runs share once, what differs per run."""
    flat = [flatten(run.saved) for run in plan.runs]
    common = {key: value for key, value in flat[0].items() if all(key in f and f[key] == value for f in flat)}
    runs = [{"hash": run.hash, "values": {key: value for key, value in values.items() if key not in common}}
            for run, values in zip(plan.runs, flat, strict=True)]
    content = {"format": FORMAT, "axes": list(plan.axes), "common": common, "runs": runs}
    dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)

    class Plain(dumper):  # type: ignore[misc, valid-type]
        """Writes equal objects twice instead of as an alias."""

        def ignore_aliases(self, data: object) -> bool:
            return True

    atomic.write_text(folder / layout.SWEEP, yaml.dump(content, Dumper=Plain, sort_keys=False, allow_unicode=True))


def read_plan(folder: Path) -> Plan:
    """Read a frozen plan. Raises ArtefactError where sweep.yaml is not one."""
    content = read_yaml(folder / layout.SWEEP)
    try:
        runs = []
        for item in content["runs"]:
            saved = unflatten({**content["common"], **item["values"]})
            run = PlannedRun(config_hash(saved, HASH_DIGITS), (), saved)
            if run.hash != item["hash"]:
                raise ArtefactError(f"{folder / layout.SWEEP} was altered: run {item['hash']!r} has hash {run.hash}")
            runs.append(run)
        return Plan(tuple(runs), tuple(content["axes"]))
    except (KeyError, TypeError, AttributeError) as error:
        raise ArtefactError(f"{folder / layout.SWEEP} is not a plan: {error!r}") from error


def flatten(nested: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Turn {"a": {"b": 1}} into {"a.b": 1}; an empty mapping stays a value."""
    flat: dict[str, Any] = {}
    for key, value in nested.items():
        flat |= flatten(value, f"{prefix}{key}.") if isinstance(value, dict) and value else {f"{prefix}{key}": value}
    return flat


def unflatten(flat: Mapping[str, Any]) -> dict[str, Any]:
    """Undo `flatten`."""
    nested: dict[str, Any] = {}
    for key, value in flat.items():
        *path, name = key.split(".")
        inner = nested
        for step in path:
            inner = inner.setdefault(step, {})
        inner[name] = value
    return nested
