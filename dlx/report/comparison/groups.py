"""Runs by configuration: those that differ by seed or fold alone repeat one."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dlx.core.errors import ConfigError
from dlx.core.repeats import repeats as is_repetition
from dlx.report.files import RunFiles

# Of a configuration what changes no result, or only how it is told.
BESIDE = ("name", "report", "device", "level")


@dataclass(frozen=True)
class Group:
    """The runs of one configuration.

    Args:
        name: the settings that set it apart from the others.
        runs: by what repeats the configuration: its seeds and folds, as JSON.
    """

    name: str
    runs: Mapping[str, RunFiles]


def groups_of(runs: Sequence[RunFiles]) -> list[Group]:
    """Divide runs by configuration, in the order in which they come.

    Raises:
        ConfigError: one run twice, fewer than two configurations, or runs of different tasks.
    """
    found: dict[str, dict[str, RunFiles]] = {}
    leaves: dict[str, dict[str, str]] = {}
    for run in runs:
        settings = dict(_leaves({key: value for key, value in run.config.items() if key not in BESIDE}))
        repeats = {key: value for key, value in settings.items() if is_repetition(key)}
        own = {key: value for key, value in settings.items() if key not in repeats}
        mark, repetition = json.dumps(own, sort_keys=True), json.dumps(repeats, sort_keys=True)
        leaves[mark] = own
        if repetition in found.setdefault(mark, {}):
            raise ConfigError(f"{run.folder} and {found[mark][repetition].folder} are the same run: name it once")
        found[mark][repetition] = run
    _check(runs, len(found))
    differing = [key for key in dict.fromkeys(key for own in leaves.values() for key in own)
                 if len({own.get(key) for own in leaves.values()}) > 1]
    return [Group(_name(leaves[mark], differing), members) for mark, members in found.items()]


def _check(runs: Sequence[RunFiles], num_groups: int) -> None:
    problems = [f"{run.folder} has no summary.json: its training is not over, or diverged in its first epoch"
                for run in runs if run.summary is None]
    tasks = {run.summary.task for run in runs if run.summary is not None}
    if len(tasks) > 1:
        problems.append(f"runs of different tasks cannot be compared: {', '.join(sorted(tasks))}")
    if num_groups < 2 and not problems:
        problems.append("dlx compare is for two configurations or more, and these runs have one: they differ by seed "
                        "alone")
    if problems:
        raise ConfigError(*problems)


def _leaves(value: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for key, item in value.items():
        if isinstance(item, Mapping) and item:
            yield from _leaves(item, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", json.dumps(item)


def _name(own: Mapping[str, str], differing: Sequence[str]) -> str:
    """Write what sets a configuration apart, as it is typed; of a part that differs its choice says enough."""
    chosen = {key.removesuffix(".part") for key in differing if key.endswith(".part")}
    told = []
    for key in differing:
        part = key.removesuffix(".part")
        inside = any(key.startswith(f"{other}.") for other in chosen if key != f"{other}.part")
        if key in own and not inside:
            told.append(f"{part}={own[key].strip(chr(34))}")
    return " ".join(told) or "without"
