"""The best configuration against the others, over the seeds that both have."""

from __future__ import annotations

from dlx.report.sweep.points import Sweep

MAX_NAMED = 5


def tied(sweep: Sweep) -> tuple[int, ...]:
    """List the others whose paired difference to the best has an interval that includes 0, in order of rank."""
    return tuple(point for point in sweep.order[1:] if sweep.to_best[point].includes(0.0))


def unknown(sweep: Sweep) -> tuple[int, ...]:
    """List the others that share fewer than two seeds with the best, so that their difference has no interval."""
    return tuple(point for point in sweep.order[1:] if not sweep.to_best[point].has_interval)


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
