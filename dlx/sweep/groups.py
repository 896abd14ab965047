"""Which runs train together, as members of one fused run."""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Any, NamedTuple

from dlx.config import options
from dlx.config.build import ANY_PACKAGE, build, lookup
from dlx.config.saved import PART
from dlx.core.errors import ConfigError
from dlx.core.repeats import SEEDS
from dlx.core.train_keys import divide_dataset, effective

# More members of one step gain little: what they need no longer fits the cache.
MOST_MEMBERS = 64


class Grouping(NamedTuple):
    """Groups of runs by their index.

    plain: why each run that is computed as no member is none; it is a group of its own. Another group of one wants for
    others in its worker: it is computed as a member, so that its bits do not depend on the number of workers.
    """

    groups: tuple[tuple[int, ...], ...]
    plain: dict[int, str]


def make_groups(runs: Sequence[Mapping[str, Any]], workers: int, members: int, trust: Collection[str] = (ANY_PACKAGE,)
                ) -> Grouping:
    """Divide runs into groups that train together.

    Args:
        runs: saved configurations.
        workers: groups that train at the same time; there are at least as many groups, if there are runs enough.
        members: of a group, at most; 1 trains every run alone.
        trust: packages of the user whose code may be asked what it can vary.
    """
    alike: dict[str, list[int]] = {}
    plain: dict[int, str] = {}
    for index, saved in enumerate(runs):
        reason = "members=1" if members == 1 else reason_alone(saved, trust)
        if reason is not None:
            plain[index] = reason
        else:
            alike.setdefault(shape(saved, tuple(trust)), []).append(index)
    wanted = math.ceil(workers / max(1, len(alike)))
    groups: list[tuple[int, ...]] = []
    for indices in alike.values():
        reason = "no other run has its shape" if len(indices) == 1 else problem(runs, indices, trust)
        if reason is not None:
            plain |= dict.fromkeys(indices, reason)
        else:
            groups += divided(sorted(indices, key=lambda index: near(runs[index])), wanted, members)
    return Grouping(tuple(sorted([*groups, *((index,) for index in plain)])), dict(sorted(plain.items())))


def reason_alone(saved: Mapping[str, Any], trust: Collection[str]) -> str | None:
    """Say why a run by itself cannot be a member, or None."""
    if saved["device"].get("compile"):
        return "device.compile=true compiles one model"
    if saved["device"].get("channels_last"):
        return "device.channels_last=true is a layout of the images of one model"
    try:
        return getattr(lookup("optimizer", saved["optimizer"][PART], trust), "ALONE", None)
    except ConfigError:
        # Code that cannot be imported: what builds it says so.
        return None


def shape(saved: Mapping[str, Any], trust: tuple[str, ...]) -> str:
    """Return what has to be equal among members: the configuration without seeds and values that members may vary."""
    rest = copy.copy(dict(saved))
    for key in (*SEEDS, "name", "schedule"):
        rest.pop(key, None)
    for group in options.PART_GROUPS:
        if group in rest:
            many = group in options.LIST_GROUPS
            rest[group] = [(name, fixed(group, part, trust)) for name, part in rest[group].items()] if many else \
                fixed(group, rest[group], trust)
    return json.dumps(rest, sort_keys=True)


def fixed(group: str, part: Mapping[str, Any], trust: tuple[str, ...]) -> dict[str, Any]:
    """Return a part's values without those that members may vary."""
    varying = member_values(group, part[PART], trust)
    return {name: value for name, value in part.items() if name not in varying}


@lru_cache(maxsize=1024)
def member_values(group: str, name: str, trust: tuple[str, ...]) -> tuple[str, ...]:
    """Return the values that members may vary, as the part's code declares them in MEMBER_VALUES."""
    from dlx.engine.source import InitFrom
    from dlx.engine.train_rows import TrainRows

    shared = {"dataset": TrainRows.MEMBER_VALUES, "model": InitFrom.MEMBER_VALUES}.get(group, ())
    try:
        return (*shared, *getattr(lookup(group, name, trust), "MEMBER_VALUES", ()))
    except ConfigError:
        # Code that cannot be imported: what builds it says so.
        return shared


def near(saved: Mapping[str, Any]) -> str:
    """Return what brings together runs on the same data, and among them those that are optimized alike."""
    rows, dataset = divide_dataset(saved["dataset"])
    return json.dumps([dataset, saved["split"], saved["preprocessing"], effective(rows), saved["optimizer"],
                       saved["schedule"]])


def divided(indices: Sequence[int], wanted: int, limit: int) -> list[tuple[int, ...]]:
    """Divide runs evenly into at least `wanted` groups of at most `limit`."""
    count = min(len(indices), max(wanted, math.ceil(len(indices) / limit)))
    bounds = [round(number * len(indices) / count) for number in range(count + 1)]
    return [tuple(sorted(indices[low:high])) for low, high in pairwise(bounds)]


def problem(runs: Sequence[Mapping[str, Any]], indices: Sequence[int], trust: Collection[str]) -> str | None:
    """Say why runs of one shape cannot be stacked, or None; the first and the last are tried."""
    from dlx.engine.start import stacking_problem

    try:
        return stacking_problem([build(runs[index], trust) for index in (indices[0], indices[-1])])
    except ConfigError as error:
        return str(error)
