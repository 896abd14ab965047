"""What sections of the report measured of whole models, over the runs of a sweep. N runs, M measures."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from dlx.core.measures import Measure
from dlx.core.repeats import repeats
from dlx.report.sweep.details import MAX_RUNS, measures_of, summary_of
from dlx.report.sweep.files import DONE, Run
from dlx.report.sweep.points import Array, Sweep

MIN_RUNS = 6
MAX_MEASURES = 40
# They say how good the answers are, which is no measure of a model that might foretell it.
NOT_RANKED = ("gap", "calibration", "errors", "data", "shift", "adversarial")
# How far a solver was off says nothing of the model.
NO_MEASURES = ("hessian_residual",)
# What a number of the whole model may be of beside it: arguments, and not layers, classes or examples.
ARGUMENTS = {"rank", "ball", "radius", "noise", "sigma"}


class Collected(NamedTuple):
    """Measures and gaps of the same runs, where a larger gap is worse.

    Args:
        labels: of measures [M].
        values: [M, N], NaN where a run lacks one; no two rank the runs alike, and none is the same everywhere.
        alike: by label, the measures that rank the runs as it does.
        constant: measures that are the same in all runs.
        num_left_out: further measures, beyond the most that are ranked.
        settings: levels by run, in the order of the sweep's axes.
        points: the configuration of each run [N]; repetitions: what is seed and fold of it.
    """

    runs: tuple[Run, ...]
    points: tuple[int, ...]
    settings: tuple[tuple[str, ...], ...]
    repetitions: tuple[str, ...]
    labels: tuple[str, ...]
    values: Array
    alike: Mapping[str, tuple[str, ...]]
    constant: tuple[str, ...]
    num_left_out: int


def collect(sweep: Sweep) -> Collected | None:
    """Read what was measured of runs that are done; None where fewer than six have measures."""
    done = [(run, index) for index, point in enumerate(sweep.points) for run in point.runs if run.status == DONE]
    tables = [(run, index, dict(_numbers(sweep, run))) for run, index in done[:MAX_RUNS]]
    kept = [item for item in tables if item[2]]
    if len(kept) < MIN_RUNS:
        return None
    labels = tuple(dict.fromkeys(label for _, _, table in kept for label in table))
    values = np.array([[table.get(label, math.nan) for _, _, table in kept] for label in labels])
    enough = np.isfinite(values).sum(axis=1) >= MIN_RUNS
    constant = tuple(label for label, own, known in zip(labels, values, enough, strict=True)
                     if known and np.nanmin(own) == np.nanmax(own))
    varying = [row for row, label in enumerate(labels) if enough[row] and label not in constant]
    first, alike = _apart([labels[row] for row in varying], values[varying])
    shown = [varying[place] for place in first][:MAX_MEASURES]
    names = tuple(labels[row] for row in shown)
    return Collected(
        tuple(run for run, _, _ in kept), tuple(index for _, index, _ in kept),
        tuple(sweep.points[index].cells for _, index, _ in kept), tuple(_repetition(run) for run, _, _ in kept), names,
        values[shown], {name: alike[name] for name in names}, constant, len(first) - len(shown))


def _numbers(sweep: Sweep, run: Run) -> Iterator[tuple[str, float]]:
    for section, found in measures_of(sweep, run).items():
        if section not in NOT_RANKED:
            for item in found.numbers:
                if item.value is not None and _is_of_model(item):
                    yield _label(item), item.value


def _is_of_model(item: Measure) -> bool:
    """Say whether a number is of the whole model at its best checkpoint, and looks at no example but those of train."""
    known = item.checkpoint == "best" and item.split in ("", "train_eval") and item.name not in NO_MEASURES
    return known and set(item.of) <= ARGUMENTS and item.of.get("rank", 1) == 1


def _label(item: Measure) -> str:
    beside = " ".join(f"{key} {value:g}" if isinstance(value, float) else f"{key} {value}"
                      for key, value in item.of.items())
    return f"{item.name}, {beside}" if beside else item.name


def _repetition(run: Run) -> str:
    return " ".join(f"{key}={cell}" for key, cell in run.cells.items() if repeats(key))


def _apart(labels: Sequence[str], values: Array) -> tuple[list[int], dict[str, tuple[str, ...]]]:
    """Return the first of those that rank the runs alike, and the others by its label."""
    first: dict[bytes, int] = {}
    alike: dict[str, tuple[str, ...]] = dict.fromkeys(labels, ())
    for place, own in enumerate(values):
        order = np.unique(own, return_inverse=True, equal_nan=True)[1].astype(np.int64).tobytes()
        if order in first:
            alike[labels[first[order]]] += (labels[place],)
        else:
            first[order] = place
    return [*first.values()], alike


def gaps_of(sweep: Sweep, runs: Sequence[Run], metric: str, split: str = "test") -> Array:
    """Return how much worse a metric is on a split than on train_eval [N], NaN where unknown."""
    sign = -1.0 if sweep.files.greater_is_better.get(metric, False) else 1.0
    pairs = [(run.values.get(f"{split}_{metric}"), run.values.get(f"train_eval_{metric}")) for run in runs]
    return np.array([math.nan if other is None or own is None else sign * (other - own) for other, own in pairs])


def errors_of(sweep: Sweep, runs: Sequence[Run], metric: str) -> Array:
    """Return the standard error of a metric on test [N] that its interval stands for, NaN without one."""
    return np.array([_error(sweep, run, metric) for run in runs])


def _error(sweep: Sweep, run: Run, metric: str) -> float:
    from scipy.special import ndtri

    summary = summary_of(sweep, run)
    found = None if summary is None else summary.metric(metric, "test")
    if found is None or found.low is None or found.high is None:
        return math.nan
    return (found.high - found.low) / (2 * float(ndtri((1 + found.level) / 2)))
