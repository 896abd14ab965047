"""The best configuration against the others, over the seeds that both have."""

from __future__ import annotations

import numpy as np

from dlx.report.sweep.estimates import Estimate, estimate
from dlx.report.sweep.points import Array, Sweep

MAX_NAMED = 5


def paired(sweep: Sweep, point: int, other: int) -> Array:
    """Return the differences of the ranking metric on val, point minus other, over the seeds that both have."""
    difference = sweep.val[point] - sweep.val[other]
    return np.asarray(difference[np.isfinite(difference)])


def to_best(sweep: Sweep, point: int) -> Estimate:
    """Return the mean paired difference of a configuration to the best, with its interval."""
    return estimate(paired(sweep, point, sweep.order[0]))


def tied(sweep: Sweep) -> tuple[int, ...]:
    """List the others whose paired difference to the best has an interval that includes 0, in order of rank."""
    return tuple(point for point in sweep.order[1:] if to_best(sweep, point).includes(0.0))


def unknown(sweep: Sweep) -> tuple[int, ...]:
    """List the others that share fewer than two seeds with the best, so that their difference has no interval."""
    return tuple(point for point in sweep.order[1:] if not to_best(sweep, point).has_interval)


def within(sweep: Sweep) -> tuple[int, ...]:
    """List the others whose mean lies inside the interval of the best."""
    best = sweep.estimate("val", sweep.order[0])
    means = ((point, sweep.estimate("val", point).value) for point in sweep.order[1:])
    return tuple(point for point, mean in means if mean is not None and best.includes(mean))


def named(sweep: Sweep, points: tuple[int, ...]) -> str:
    """Name configurations, the first five of them."""
    names = [sweep.name(point) for point in points[:MAX_NAMED]]
    more = len(points) - len(names)
    return "; ".join(names) + (f"; and {more:,} more" if more else "")
