"""One configuration against another: over the seeds that both have, and on the examples that both answer."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from dlx.core.intervals import Interval, mean, student_t
from dlx.measure.comparison import Test, equivalence, holm, mcnemar, paired_t, signed_ranks
from dlx.report.comparison.groups import Group
from dlx.report.files import RunFiles
from dlx.report.sweep.estimates import num_seeds_to_decide

RESAMPLES_SEED = 0


class Values(NamedTuple):
    """Of the examples of a split, by ascending id: ids [N], targets [N] and how good the answers are [N].

    name: what values are: right (1 or 0), or squared error.
    """

    ids: np.ndarray
    targets: np.ndarray
    values: np.ndarray
    name: str


class OnExamples(NamedTuple):
    """Two configurations on shared examples: mean difference of values, over seeds first; mcnemar of one pair."""

    name: str
    difference: float
    interval: Interval
    num_seeds: int
    mcnemar: Test | None


class OverSeeds(NamedTuple):
    """Two configurations over shared seeds: differences [S] of a metric, and what they say."""

    differences: np.ndarray
    interval: Interval
    t: Test
    ranks: Test
    equivalent: Test | None
    seeds_to_decide: int | None


class Compared(NamedTuple):
    """A configuration against the first: its values by seed; on_examples is None where they share none."""

    name: str
    values: np.ndarray
    over_seeds: OverSeeds | None
    on_examples: OnExamples | None


class Comparison(NamedTuple):
    """All configurations, the first to begin with; adjusted: p-values after Holm, of each of the others."""

    metric: str
    split: str
    greater_is_better: bool
    level: float
    margin: float | None
    first: np.ndarray
    first_name: str
    others: tuple[Compared, ...]
    adjusted: tuple[float, ...]


def compare(groups: Sequence[Group], metric: str, split: str, level: float, margin: float | None) -> Comparison:
    """Compare every configuration with the first.

    Args:
        metric: of the summaries, on the split.
        margin: of differences that do not matter, in the metric's units; None for no such claim.
    """
    first = groups[0]
    others = tuple(Compared(other.name, _values(other, metric, split), _over_seeds(first, other, metric, split, level,
                                                                                   margin),
                            _on_examples(first, other, split, level)) for other in groups[1:])
    direction = next(own.greater_is_better for run in first.runs.values() if run.summary is not None
                     and (own := run.summary.metric(metric, split)) is not None)
    return Comparison(metric, split, direction, level, margin, _values(first, metric, split), first.name, others,
                      tuple(holm([_p_value(other) for other in others])))


def _p_value(other: Compared) -> float:
    """Return the p-value that counts: over seeds where there are two or more, else on the examples."""
    if other.over_seeds is not None and math.isfinite(other.over_seeds.t.p_value):
        return other.over_seeds.t.p_value
    if other.on_examples is not None and other.on_examples.mcnemar is not None:
        return other.on_examples.mcnemar.p_value
    return 1.0


def _values(group: Group, metric: str, split: str) -> np.ndarray:
    return np.array([_value(run, metric, split) for run in group.runs.values()])


def _value(run: RunFiles, metric: str, split: str) -> float:
    found = None if run.summary is None else run.summary.metric(metric, split)
    return math.nan if found is None or found.value is None else found.value


def _over_seeds(one: Group, other: Group, metric: str, split: str, level: float, margin: float | None
                ) -> OverSeeds | None:
    shared = [key for key in one.runs if key in other.runs]
    pairs = [(_value(one.runs[key], metric, split), _value(other.runs[key], metric, split)) for key in shared]
    differences = np.array([after - before for before, after in pairs if math.isfinite(after - before)])
    if not len(differences):
        return None
    sd = float(differences.std(ddof=1)) if len(differences) > 1 else 0.0
    return OverSeeds(differences, student_t(differences, level), paired_t(differences), signed_ranks(differences),
                     None if margin is None or len(differences) < 2 else equivalence(differences, margin),
                     num_seeds_to_decide(float(differences.mean()), sd) if len(differences) > 1 else None)


def _on_examples(one: Group, other: Group, split: str, level: float) -> OnExamples | None:
    """Compare answers to the same examples; None where seeds, rows or targets differ, or answers are no values."""
    pairs = []
    for key in one.runs:
        if key in other.runs:
            before, after = values_of(one.runs[key], split), values_of(other.runs[key], split)
            if before is None or after is None or not _same(before, after):
                return None
            pairs.append((before, after))
    if not pairs or not all(_same(pairs[0][0], before) for before, _ in pairs):
        return None
    differences = np.mean([after.values - before.values for before, after in pairs], axis=0)
    before, after = pairs[0]
    is_pair = len(pairs) == 1 and before.name == "right"
    test = mcnemar(before.values.astype(bool), after.values.astype(bool)) if is_pair else None
    return OnExamples(before.name, float(differences.mean()), mean(differences, level, RESAMPLES_SEED), len(pairs),
                      test)


def _same(one: Values, other: Values) -> bool:
    return np.array_equal(one.ids, other.ids) and np.array_equal(one.targets, other.targets)


def values_of(run: RunFiles, split: str) -> Values | None:
    """Return how good the answers of a run are, example by example; None where it has no such predictions."""
    if run.predictions is not None:
        own = run.predictions.of(split)
        order = np.argsort(own.ids)
        if own.probs is None:
            values, name = (own.predictions - own.targets) ** 2, "squared error"
        else:
            values, name = (own.predictions == own.targets).astype(np.float64), "right"
        return Values(own.ids[order], own.targets[order], values[order], name)
    if run.sequences is not None:
        rows = run.sequences.of(split)
        order = np.argsort(rows.values["id"])
        ids, lengths, exact = (rows.values[name][order] for name in ("id", "length", "exact_match"))
        return Values(ids, lengths, exact, "right")
    return None
