"""A trained model beside what was found: against baselines, and without rows that it has seen. N rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from dlx.core.intervals import function_of_means, mean
from dlx.core.types import Metric, Outcome
from dlx.hygiene.baselines import Baseline

RESAMPLES_SEED = 0


class Against(NamedTuple):
    """A model against a baseline, on the same rows of a split.

    difference: of the share of right answers, or of the root mean squared error, model minus baseline; low, high: its
    interval, by resampling rows whole; better: "model", "baseline" or "neither", where the interval includes 0.
    """

    baseline: str
    split: str
    measure: str
    difference: float
    low: float
    high: float
    method: str
    level: float
    n: int
    num_draws: int
    better: str


class Without(NamedTuple):
    """A metric on all rows of a split, and on those that train does not have: exactly or nearly."""

    split: str
    metric: str
    value: float | None
    n: int
    value_without: float | None
    n_without: int


def against(made: list[Baseline], outcomes: Mapping[str, Outcome], level: float) -> list[Against]:
    """Compare a model with every baseline that answers row by row.

    Args:
        outcomes: of the model, all rows of each held-out split.
    """
    return [_against(baseline, split, outcomes[split], level) for baseline in made if baseline.outcomes is not None
            for split in baseline.places if outcomes[split].targets.ndim == 1]


def _against(baseline: Baseline, split: str, outcome: Outcome, level: float) -> Against:
    assert baseline.outcomes is not None
    places, other = baseline.places[split], baseline.outcomes[split]
    own = Outcome(outcome.scores[places], outcome.targets[places])
    if own.scores.ndim == 2:
        right = [(item.scores.argmax(axis=1) == item.targets).astype(np.float64) for item in (own, other)]
        difference, sign, measure = float(right[0].mean() - right[1].mean()), 1, "accuracy"
        interval = mean(right[0] - right[1], level, RESAMPLES_SEED)
    else:
        squares = np.stack([(item.scores - item.targets) ** 2 for item in (own, other)])
        difference, sign, measure = float(_rmse_difference(squares.mean(axis=1, keepdims=True))[0]), -1, "rmse"
        interval = function_of_means(squares, _rmse_difference, level, RESAMPLES_SEED)
    low, high = sorted((sign * interval.low, sign * interval.high))
    better = "model" if low > 0 else "baseline" if high < 0 else "neither"
    return Against(baseline.name, split, measure, difference, interval.low, interval.high, interval.method, level,
                   len(places), interval.num_draws, better)


def _rmse_difference(means: np.ndarray) -> np.ndarray:
    """Map mean squared errors [2, R], of the model and the baseline, to differences of their roots [R]."""
    return np.asarray(np.sqrt(means[0]) - np.sqrt(means[1]))


def without_leaked(outcomes: Mapping[str, Outcome], rows: Mapping[str, np.ndarray], leaked: Mapping[str, np.ndarray],
                   metrics: Mapping[str, Metric]) -> list[Without]:
    """Measure a model with and without the held-out rows that train has; nothing where there are none."""
    values = []
    for split, outcome in outcomes.items():
        kept = ~np.isin(rows[split], leaked.get(split, np.empty(0, np.int64)))
        if kept.all():
            continue
        clean = Outcome(outcome.scores[kept], outcome.targets[kept])
        for name, metric in metrics.items():
            value = metric.value(clean) if kept.any() else None
            values.append(Without(split, name, metric.value(outcome), len(kept), value, int(kept.sum())))
    return values
