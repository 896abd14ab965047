"""Every check of a divided dataset, and of a model that was trained on it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from dlx.core.ragged import Ragged
from dlx.core.types import Metric, Outcome
from dlx.hygiene.baselines import Baseline, baselines, measured
from dlx.hygiene.columns import Columns, columns_of
from dlx.hygiene.data import ALPHA, HELD_OUT, TRAIN, Data, one_target, plain, sample
from dlx.hygiene.duplicates import Conflicts, Duplicates, conflicts, duplicates, equal_groups, twins_in
from dlx.hygiene.features import Features, features_of
from dlx.hygiene.model import against, without_leaked
from dlx.hygiene.near import Near, near_duplicates
from dlx.hygiene.notes import NUM_QUERIES, Group, Time, groups_in, nearest_of, times_in
from dlx.hygiene.order import Order, order
from dlx.hygiene.properties import properties_of
from dlx.hygiene.shift import PROPERTY_ROWS, Shift, label_test, shift
from dlx.measure.comparison import holm

FORMAT = 1
# A hash of a row costs a microsecond or two, and one per thousand bytes.
EXACT_ROWS, EXACT_BYTES = 1_000_000, 2**28
NEAREST_ROWS = 10_000


class Hygiene(NamedTuple):
    """What was found in a divided dataset.

    num_rows: of each split; num_compared: of all of them, in how many exact duplicates were looked for; leaked:
    held-out rows by split that train has, exactly or nearly; shifts: of each held-out split against train; made: the
    baselines; features: what near duplicates, shift and baselines look at, in words.
    """

    num_rows: dict[str, int]
    num_compared: int
    duplicates: Duplicates
    conflicts: Conflicts | None
    near: Near
    leaked: dict[str, np.ndarray]
    order: Order | None
    groups: tuple[Group, ...]
    times: tuple[Time, ...]
    columns: Columns | None
    shifts: dict[str, Shift]
    made: list[Baseline]
    features: str


class Model(NamedTuple):
    """What a trained model said of all rows of each held-out split, and the level of intervals."""

    outcomes: Mapping[str, Outcome]
    level: float


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Let linear algebra of NumPy and SciPy compute on one thread: small products on several wait for each other."""
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    with threadpool_limits(limits=1, user_api="blas"):
        yield


def check(data: Data) -> Hygiene:
    """Check a divided dataset. What is costly looks at a subset of rows, always the same one, and says so."""
    with one_thread():
        return _check(data)


def _check(data: Data) -> Hygiene:
    compared = _compared(data)
    groups = _groups(data, compared)
    features = features_of(data)
    near, leaked = near_duplicates(features, groups)
    for split in data.held_out:
        exact = compared[split][twins_in(groups, compared[split], compared[TRAIN]) >= 0]
        leaked[split] = np.union1d(leaked[split], exact)
    known = np.sort(np.concatenate(list(compared.values())))
    renumbered = np.unique(groups[known], return_inverse=True)[1]
    single = one_target(data.targets, data.spec.kind)
    clashes = None if single is None else conflicts(renumbered, single[known])
    if clashes is not None:
        clashes = clashes._replace(rows=clashes.rows._replace(rows=tuple(known[list(clashes.rows.rows)].tolist())),
                                   examples=tuple(tuple(known[list(own)].tolist()) for own in clashes.examples))
    shifts, ordered = adjusted(_shifts(data, features), None if single is None else order(single, data.spec.kind))
    return Hygiene(
        {name: len(rows) for name, rows in data.rows.items()}, len(known), duplicates(groups, compared), clashes, near,
        leaked, ordered, groups_in(data.notes, data.rows, _neighbours(data, features)),
        times_in(data.notes, data.rows), _columns(data, features), shifts,
        baselines(features, data.targets, data.rows, data.prepared_spec), features.made)


def _compared(data: Data) -> dict[str, np.ndarray]:
    """Choose the rows of each split in which exact duplicates are looked for."""
    inputs = data.given.values if isinstance(data.given, Ragged) else data.given
    most = min(EXACT_ROWS, (EXACT_BYTES // (4 if data.is_on_disk else 1)) * len(data.given) // max(1, inputs.nbytes))
    total = sum(map(len, data.rows.values()))
    return {name: rows[sample(len(rows), max(1, most * len(rows) // total), f"exact-{name}")]
            for name, rows in data.rows.items()}


def _groups(data: Data, compared: Mapping[str, np.ndarray]) -> np.ndarray:
    """Number rows so that equal ones share a number, [N]; those that are not compared have numbers of their own."""
    rows = np.sort(np.concatenate(list(compared.values())))
    groups = np.arange(len(data.targets)) + len(rows)
    groups[rows] = equal_groups(data.given, rows)
    return groups


def _neighbours(data: Data, features: Features) -> tuple[np.ndarray, np.ndarray] | None:
    if not data.notes:
        return None
    train = features.some(TRAIN, NEAREST_ROWS, "neighbours-train")
    queries = [(split, at) for split in data.held_out
               for at in [features.some(split, NUM_QUERIES, "neighbours")]]
    values = np.concatenate([features.values[split][at] for split, at in queries])
    found = nearest_of(values, features.values[TRAIN][train])
    return (np.concatenate([features.rows[split][at] for split, at in queries]), features.rows[TRAIN][train][found])


def _columns(data: Data, features: Features) -> Columns | None:
    if data.spec.kind not in ("classification", "regression"):
        return None
    if data.spec.layout == "table":
        rows = data.rows[TRAIN]
        rows = rows[sample(len(rows), PROPERTY_ROWS * 10, "columns-of-train")]
        assert isinstance(data.given, np.ndarray)
        return columns_of(data.given[rows].reshape(len(rows), -1), data.targets[rows], data.spec)
    return columns_of(features.values[TRAIN], features.targets[TRAIN], data.prepared_spec)


def _shifts(data: Data, features: Features) -> dict[str, Shift]:
    rows = {split: own[sample(len(own), PROPERTY_ROWS, f"properties-{split}")] for split, own in data.rows.items()}
    known = {split: properties_of(data.given, own, data.spec) for split, own in rows.items()}
    single = one_target(data.targets, data.spec.kind)
    labels = {split: None if single is None else label_test(single[data.rows[TRAIN]], single[data.rows[split]],
                                                            data.spec.kind) for split in data.held_out}
    return {split: shift(features.values[TRAIN], features.values[split], known[TRAIN], known[split], labels[split])
            for split in data.held_out}


def adjusted(shifts: Mapping[str, Shift], ordered: Order | None) -> tuple[dict[str, Shift], Order | None]:
    """Correct the p-values of classifiers, of targets and of the order together."""
    found = [test.p_value for own in shifts.values() for test in (own.classifier, own.labels) if test is not None]
    corrected = iter(holm([*found, *([] if ordered is None else [ordered.p_value])]))
    result = {}
    for split, own in shifts.items():
        classifier, labels = own.classifier, own.labels
        classifier = None if classifier is None else classifier._replace(adjusted=next(corrected))
        labels = None if labels is None else labels._replace(q_value=next(corrected))
        result[split] = own._replace(classifier=classifier, labels=labels)
    return result, None if ordered is None else ordered._replace(adjusted=next(corrected))


def report_of(found: Hygiene, metrics: Mapping[str, Metric], rows: Mapping[str, np.ndarray], model: Model | None = None
              ) -> dict[str, Any]:
    """Return findings as JSON holds them.

    Args:
        metrics: of the run; baselines are measured with them.
        rows: row numbers of each split.
        model: what a trained model said, to be compared with baselines.
    """
    with one_thread():
        values = measured(found.made, metrics)
    outcomes = {} if model is None else {split: model.outcomes[split] for split in HELD_OUT if split in model.outcomes}
    compared = against(found.made, outcomes, model.level) if model is not None else []
    without = without_leaked(outcomes, rows, found.leaked, metrics)
    better = {name: metric.greater_is_better for name, metric in metrics.items()}
    facts = found._replace(leaked={}, made=[])._asdict()
    facts |= {
        "leaked": {split: {"found": len(own), "of": found.num_rows[split], "rows": own[:1000]}
                   for split, own in found.leaked.items()},
        "made": [{"name": own.name, "title": own.title, "fitted_on": own.fitted_on, "of_rows": own.of_rows}
                 for own in found.made],
    }
    result: dict[str, Any] = plain({"format": FORMAT, "alpha": ALPHA, **facts, "baselines": values,
                                    "greater_is_better": better, "against": compared, "without_leaked": without})
    return result
