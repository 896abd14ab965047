"""Means over the repetitions of a configuration, with intervals that know what data they share. J repetitions."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from dlx.core.intervals import Interval, corrected_t, student_t, undefined


class Overlap(NamedTuple):
    """How the repetitions of a configuration share data, where they are folds.

    divisions: of each repetition [J], which one it is; a division that is trained with several seeds counts once.
    ratios: by split, its examples to one of train's.
    """

    divisions: tuple[Hashable, ...]
    ratios: Mapping[str, float]


def overlap(divisions: Sequence[Hashable], sizes: Sequence[Mapping[str, int]]) -> Overlap:
    """Describe repetitions by their divisions [J] and the sizes of their splits [J]."""
    train = sum(own.get("train", 0) for own in sizes)
    ratios = {name: sum(own.get(name, 0) for own in sizes) / train if train else math.nan for name in ("val", "test")}
    return Overlap(tuple(divisions), ratios)


def mean_interval(values: np.ndarray, split: str, level: float, overlap: Overlap | None) -> tuple[float, Interval]:
    """Return the mean of the finite ones of values [J], of which there is one or more, and its interval.

    Args:
        values: one per repetition; NaN where there is none.
        split: that they were measured on; what is neither val nor test, as a gap on val, counts as val.
        overlap: of folds; None for repetitions that are independent, whose interval is Student's.
    """
    known = np.isfinite(values)
    if overlap is None:
        sample = values[known]
        return float(sample.mean()), student_t(sample, level)
    by_division: dict[Hashable, list[float]] = {}
    for division, value in zip(np.array(overlap.divisions, object)[known], values[known], strict=True):
        by_division.setdefault(division, []).append(float(value))
    sample = np.array([np.mean(own) for own in by_division.values()])
    ratio = overlap.ratios.get(split, overlap.ratios["val"])
    interval = corrected_t(sample, ratio, level) if ratio > 0 else undefined("unknown sizes", level, sample.size)
    return float(sample.mean()), interval
