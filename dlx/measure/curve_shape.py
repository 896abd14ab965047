"""Whether a curve falls, rises, has a dip or a peak, beyond the noise of its repetitions. K places, S repetitions."""

from __future__ import annotations

import math
from functools import cache
from typing import Literal, NamedTuple

import numpy as np

Kind = Literal["peak", "dip", "falls", "rises", "flat", "unknown"]


class Shape(NamedTuple):
    """The shape of a curve, from differences between all its places that hold together.

    Args:
        kind: peak: some place lies above one before and one after it; dip: below both, and there is no peak; falls,
            rises: that alone; flat: no difference is told from noise; unknown: fewer than two repetitions.
        place: of the highest such peak, or the lowest such dip; else of the lowest mean.
        before, after: where the curve is lowest around a peak, highest around a dip; else its first and last place.
        is_log: differences are of logarithms.
        differences: [K, K] of the row minus the column, means over repetitions.
        half_widths: [K, K] of their simultaneous intervals, NaN for unknown.
    """

    kind: Kind
    place: int
    before: int
    after: int
    is_log: bool
    differences: np.ndarray
    half_widths: np.ndarray

    @property
    def is_double_descent(self) -> bool:
        """Say whether the curve falls before it rises to its peak and falls again."""
        before = slice(0, self.before), self.before
        return self.kind == "peak" and bool((self.differences[before] > self.half_widths[before]).any())

    def ratio(self, of: int, to: int) -> tuple[float, float, float]:
        """Return error over error of two places with its interval; differences where those are no logarithms."""
        middle, half = self.differences[of, to], self.half_widths[of, to]
        own = (middle, middle - half, middle + half)
        return tuple(math.exp(value) if self.is_log else float(value) for value in own)  # type: ignore[return-value]


def shape(errors: np.ndarray, level: float, spread: float = 1.0) -> Shape:
    """Tell the shape of a curve from its errors [K, S], in the order of its places, S paired over places.

    All K (K - 1)/2 differences are compared at once with Tukey's studentized range, on the residuals of the two-way
    layout places × repetitions, in logarithms where all errors are above 0. Errors of small models often vary more, so
    the degrees of freedom are those of Satterthwaite, fewer where few places make the variance, and a pair whose own
    difference varies more than that of all is compared by its own variance.

    Args:
        level: that all intervals hold together; spread: what they are multiplied by, for repetitions that share data.
    """
    is_log = bool((errors > 0).all())
    values = np.log(errors) if is_log else errors
    means = values.mean(axis=1)
    differences = means[:, None] - means
    half = _half_widths(values, level) * spread
    with np.errstate(invalid="ignore"):
        above = differences > half
    kind, place, before, after = _kind(means, above) if values.shape[1] > 1 else (
        "unknown", int(means.argmin()), 0, len(means) - 1)
    return Shape(kind, place, before, after, is_log, differences, half)


def _half_widths(values: np.ndarray, level: float) -> np.ndarray:
    places, count = values.shape
    if count < 2:
        return np.full((places, places), math.nan)
    residuals = values - values.mean(axis=1, keepdims=True) - values.mean(axis=0) + values.mean()
    squares = np.square(residuals).sum(axis=1)
    pooled = 2 * squares.sum() / ((places - 1) * (count - 1))
    if pooled == 0:
        return np.zeros((places, places))
    degrees = squares.sum() ** 2 / np.square(squares).sum() * (count - 1) * (places - 1) / places
    own = (values[:, None] - values).var(axis=2, ddof=1)
    widths: np.ndarray = _quantile(level, places, max(1, int(degrees))) * np.sqrt(np.maximum(own, pooled) / count)
    return widths


@cache
def _quantile(level: float, places: int, degrees: int) -> float:
    from scipy.stats import studentized_range

    return float(studentized_range.ppf(level, places, degrees)) / math.sqrt(2)


def _kind(means: np.ndarray, above: np.ndarray) -> tuple[Kind, int, int, int]:
    inner = range(1, len(means) - 1)
    peaks = [place for place in inner if above[place, :place].any() and above[place, place + 1 :].any()]
    if peaks:
        place = max(peaks, key=means.__getitem__)
        return "peak", place, int(means[:place].argmin()), place + 1 + int(means[place + 1 :].argmin())
    dips = [place for place in inner if above[:place, place].any() and above[place + 1 :, place].any()]
    if dips:
        place = min(dips, key=means.__getitem__)
        return "dip", place, int(means[:place].argmax()), place + 1 + int(means[place + 1 :].argmax())
    falls, rises = np.triu(above).any(), np.tril(above).any()
    kind: Kind = "falls" if falls and not rises else "rises" if rises and not falls else "flat"
    return kind, int(means.argmin()), 0, len(means) - 1
