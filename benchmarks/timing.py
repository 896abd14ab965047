"""Alternating repetitions, so that a busy moment of the machine meets both sides, and what is made of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from statistics import median
from typing import NamedTuple, TypeVar

K = TypeVar("K")


class Ratio(NamedTuple):
    """One time over another: the median over repetitions, and their least and greatest."""

    median: float
    low: float
    high: float


def alternate(timers: Mapping[K, Callable[[], float]], repetitions: int) -> dict[K, list[float]]:
    """Run every timer once per repetition, in order, and return the seconds of each.

    Args:
        timers: functions that do the work once, already warm, and return its seconds.
        repetitions: how often each is run: A, B, A, B, …
    """
    seconds: dict[K, list[float]] = {name: [] for name in timers}
    for _ in range(repetitions):
        for name, timer in timers.items():
            seconds[name].append(timer())
    return seconds


def ratio(seconds: list[float], peer_seconds: list[float]) -> Ratio:
    """Compare two sides repetition by repetition: noise that lasts longer than one cancels."""
    ratios = [mine / theirs for mine, theirs in zip(seconds, peer_seconds, strict=True)]
    return Ratio(median(ratios), min(ratios), max(ratios))
