"""Shapes of curves: pure functions of one number per epoch. Indices count epochs from 0."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from dlx.report.history import Column


class Rise(NamedTuple):
    """How a curve ends, compared with its minimum.

    epoch_index: where the minimum is; minimum: its value; end: mean of the last epochs, at most three and all after the
    minimum; relative: end / minimum - 1, 0 where the minimum is the last epoch.
    """

    epoch_index: int
    minimum: float
    end: float
    relative: float


class Fall(NamedTuple):
    """How much a curve still falls in its last quarter.

    num_epochs: length of the last quarter; start, end: values around it; of_total: the fall as a share of the whole
    range of the curve; of_level: as a share of its start; steady: share of the quarter's steps that fell.
    """

    num_epochs: int
    start: float
    end: float
    of_total: float
    of_level: float
    steady: float


class Wobble(NamedTuple):
    """How a curve goes up and down in its last half.

    num_steps: steps of the last half; num_rises: those that rose; size: the median rise; of_range: size as a share
    of the whole range of the curve; of_level: as a share of its median in the last half.
    """

    num_steps: int
    num_rises: int
    size: float
    of_range: float
    of_level: float


def rise_from_minimum(curve: Column) -> Rise:
    """Compare the end of a finite curve, length at least 1, with its minimum."""
    index = int(np.argmin(curve))
    minimum = float(curve[index])
    after = curve[index + 1:][-3:]
    end = float(after.mean()) if after.size else minimum
    return Rise(index, minimum, end, end / minimum - 1 if minimum > 0 else 0.0)


def leaves_minimum(curve: Column, tolerance: float) -> int:
    """Return the last index at which a finite curve, length at least 1, is at its minimum, within a tolerance.

    After it, the mean over up to three epochs, none of them before or at the minimum, is always more than the
    tolerance above it; the last such mean is `Rise.end`. It is the minimum's own index where the curve never returns.

    Args:
        tolerance: as a share of the minimum, which is positive.
    """
    lowest = int(np.argmin(curve))
    returns = [index for index in range(lowest + 1, len(curve))
               if curve[max(lowest + 1, index - 2):index + 1].mean() <= (1 + tolerance) * curve[lowest]]
    return returns[-1] if returns else lowest


def late_fall(curve: Column) -> Fall:
    """Measure the fall over the last quarter, at least one step, of a finite curve of length at least 2."""
    steps = max(1, len(curve) // 4)
    start, end = float(curve[-steps - 1]), float(curve[-1])
    extent = float(np.ptp(curve))
    return Fall(
        num_epochs=steps,
        start=start,
        end=end,
        of_total=(start - end) / extent if extent > 0 else 0.0,
        of_level=(start - end) / start if start > 0 else 0.0,
        steady=float((np.diff(curve[-steps - 1:]) < 0).mean()),
    )


def wobble(curve: Column) -> Wobble:
    """Measure the rises over the last half of a finite curve of length at least 2."""
    half = curve[-(len(curve) // 2) - 1:]
    steps = np.diff(half)
    rises = steps[steps > 0]
    size = float(np.median(rises)) if rises.size else 0.0
    extent, level = float(np.ptp(curve)), float(np.median(half))
    return Wobble(
        num_steps=len(steps),
        num_rises=len(rises),
        size=size,
        of_range=size / extent if extent > 0 else 0.0,
        of_level=size / level if level > 0 else 0.0,
    )
