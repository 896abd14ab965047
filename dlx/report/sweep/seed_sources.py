"""Where the spread over seeds comes from, where several seeds vary apart: division, initial weights, order."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import product
from typing import NamedTuple

import numpy as np

from dlx.core.repeats import is_seed
from dlx.measure.variance_components import Component, pooled_sd, variance_components
from dlx.report import words
from dlx.report.section import Section, Table
from dlx.report.sweep.basis import basis
from dlx.report.sweep.files import DONE
from dlx.report.sweep.points import Array, Sweep

# What a seed decides; one of the run decides what has no seed of its own.
DECIDES = {
    "split.seed": "which examples are train, val and test", "dataset.train_seed": "which train examples are used",
    "init_seed": "initial weights", "order_seed": "order of examples and noise",
    "seed": "all that has no seed of its own"}
# Below so many degrees of freedom a variance may be wrong by a factor of ten.
FEW_DEGREES = 5


class Crossed(NamedTuple):
    """Configurations of which every combination of seeds was measured: values [P, L1, …, LK] by key."""

    keys: tuple[str, ...]
    values: Array
    num_left_out: int


def section(sweep: Sweep) -> Section | None:
    """Divide the variance of val where two seeds or more vary, or tell the spread of each alone."""
    keys = tuple(key for key in sweep.files.keys if is_seed(key))
    if len(keys) < 2 or sweep.overlap is not None:
        return None
    found = crossed(sweep, keys)
    return _apart(sweep, keys) if found is None else _together(sweep, found)


def crossed(sweep: Sweep, keys: Sequence[str]) -> Crossed | None:
    """Return the configurations of which every combination of levels of the seeds is done; None where none is."""
    tables = _tables(sweep, keys)
    levels = [list(dict.fromkeys(cells[index] for table in tables for cells in table)) for index in range(len(keys))]
    if not tables or any(len(own) < 2 for own in levels):
        return None
    cells = list(product(*levels))
    whole = [[table[cell] for cell in cells] for table in tables if all(cell in table for cell in cells)]
    if not whole:
        return None
    values = np.array(whole).reshape(len(whole), *map(len, levels))
    return Crossed(tuple(keys), values, len(tables) - len(whole))


def _tables(sweep: Sweep, keys: Sequence[str]) -> list[dict[tuple[str, ...], float]]:
    """Return val by the levels of seeds, of each configuration that has some."""
    name = f"val_{sweep.metric}"
    tables = [{tuple(run.cells[key] for key in keys): value for run in point.runs
               if run.status == DONE and (value := run.values.get(name)) is not None} for point in sweep.points]
    return [table for table in tables if table]


def _together(sweep: Sweep, found: Crossed) -> Section:
    components = variance_components(found.values)
    kept = [max(0.0, item.variance) for item in components]
    total = sum(kept)
    shares = [value / total if total > 0 else None for value in kept]
    largest = max(range(len(found.keys)), key=kept.__getitem__)
    negative = [_name(found.keys, item) for item in components if item.variance < 0]
    told = [f"No spread: {sweep.ranked_by} is the same for all seeds."] if total == 0 else [
        f"{found.keys[largest]} moves {sweep.ranked_by} most: {100 * (shares[largest] or 0.0):.0f}% of the variance "
        f"over seeds within a configuration, sd {_sd(sweep.metric, kept[largest])}."]
    if negative:
        told.append(f"Estimated below 0, and taken for 0: {'; '.join(negative)}.")
    if total > 0:
        told.append(f"The mean of a configuration over all its runs has a standard error of "
                    f"{_sd(sweep.metric, error_of_mean(found.values, components))}; were runs that share a seed "
                    f"independent, it would be {_sd(sweep.metric, total / found.values[0].size)}.")
    few = [key for key, item in zip(found.keys, components, strict=False) if item.degrees < FEW_DEGREES]
    if few:
        told.append(f"Too few values for more than a first idea, fewer than {FEW_DEGREES} degrees of freedom: "
                    f"{', '.join(few)}.")
    rows = tuple((_name(found.keys, item), _decides(found.keys, item), _sd(sweep.metric, value),
                  "–" if share is None else f"{100 * share:.1f}%", str(item.degrees))
                 for item, value, share in zip(components, kept, shares, strict=True))
    runs = words.count(found.values.size, "run")
    left = f" {words.count(found.num_left_out, 'configuration')} left out." if found.num_left_out else ""
    return Section(
        "seed_sources", "Where the spread over seeds comes from", tuple(told),
        tables=(Table(f"Components of the variance of {sweep.ranked_by}",
                      ("seed", "decides", "sd", "share", "degrees of freedom"), rows),),
        notes=basis("random effects of crossed seeds, method of moments from mean squares pooled over configurations "
                    "(Searle et al. 1992, ch. 4). The last row is what seeds do together, and whatever is not "
                    "repeatable.", f"{runs} of configurations with every combination of seeds.{left}",
                    "what a seed does that did not vary. Where the division varies, so do the examples of val: its "
                    "part holds what few examples cost."),
        values={"keys": list(found.keys),
                "error_of_mean": math.sqrt(error_of_mean(found.values, components)),
                "num_configurations": len(found.values),
                "components": [{"seeds": [found.keys[factor] for factor in item.factors], "variance": item.variance,
                                "share": share, "mean_square": item.mean_square, "degrees": item.degrees}
                               for item, share in zip(components, shares, strict=True)]})


def error_of_mean(values: Array, components: Sequence[Component]) -> float:
    """Return the squared standard error of a configuration's mean: each component over the levels it was drawn from."""
    levels = values.shape[1:]
    return math.fsum(max(0.0, item.variance) / math.prod(levels[factor] for factor in item.factors)
                     for item in components)


def _apart(sweep: Sweep, keys: Sequence[str]) -> Section | None:
    found = {key: pooled_sd(groups) for key, groups in groups_of_one(sweep, keys).items()}
    known = {key: item for key, item in found.items() if item[1]}
    if not known:
        return None
    largest = max(known, key=lambda key: known[key][0])
    other = [key for key in keys if key not in known]
    told = [f"{largest} alone moves {sweep.ranked_by} most: sd {_sd(sweep.metric, known[largest][0] ** 2)}."]
    if other:
        told.append(f"Never varied alone: {', '.join(other)}.")
    rows = tuple((key, DECIDES.get(key, "–"), _sd(sweep.metric, sd**2), str(degrees))
                 for key, (sd, degrees) in known.items())
    return Section(
        "seed_sources", "Where the spread over seeds comes from", tuple(told),
        tables=(Table(f"Spread of {sweep.ranked_by} where one seed varies",
                      ("seed", "decides", "sd", "degrees of freedom"), rows),),
        notes=basis("standard deviation of runs that differ in one seed alone, pooled over groups.",
                    f"{words.count(sweep.num_done, 'run')} done.",
                    "what seeds do together: sweep every combination of them for that. Where the division varies, so "
                    "do the examples of val."),
        values={"keys": list(keys), "alone": {key: {"sd": sd, "degrees": degrees}
                                              for key, (sd, degrees) in known.items()}})


def groups_of_one(sweep: Sweep, keys: Sequence[str]) -> Mapping[str, list[Array]]:
    """Return by seed the val of runs that differ in it alone, a group each."""
    tables, found = _tables(sweep, keys), {}
    for index, key in enumerate(keys):
        groups: dict[tuple[int, tuple[str, ...]], list[float]] = {}
        for place, table in enumerate(tables):
            for cells, value in table.items():
                groups.setdefault((place, (*cells[:index], *cells[index + 1 :])), []).append(value)
        found[key] = [np.array(own) for own in groups.values() if len(own) > 1]
    return found


def _name(keys: Sequence[str], item: Component) -> str:
    return " × ".join(keys[factor] for factor in item.factors)


def _decides(keys: Sequence[str], item: Component) -> str:
    if len(item.factors) == 1:
        return DECIDES.get(keys[item.factors[0]], "–")
    return "both together" if len(keys) > len(item.factors) else "the rest: all together"


def _sd(metric: str, variance: float) -> str:
    return words.difference(metric, math.sqrt(variance), None, None).removeprefix("+")
