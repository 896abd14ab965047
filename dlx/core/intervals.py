"""Confidence intervals of proportions, of functions of means, and of differences of two.

Shape letters: N examples, K columns of per-example values, R bootstrap draws. A quantity that the data cannot bound has
the bounds (nan, nan) and a method that begins with "undefined:"; no function here warns.

scipy is imported inside functions: it costs 0.2 s that help and completion need not pay.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from dlx.core.resamples import resampled_means

SMALL_PROPORTION = 100
MAX_BCA = 2_000
BCA_DRAWS = 9_999
PERCENTILE_DRAWS = 2_000
_ROUNDING = 16 * float(np.finfo(np.float64).eps)


class Interval(NamedTuple):
    """A two-sided confidence interval.

    low, high: bounds in the units of the quantity; method: how they were found; level: the nominal coverage in (0, 1);
    n: number of examples; num_draws: bootstrap resamples, 0 for a closed form.
    """

    low: float
    high: float
    method: str
    level: float
    n: int
    num_draws: int


def undefined(reason: str, level: float, n: int) -> Interval:
    """Return the interval (nan, nan) of a quantity that the data cannot bound, saying why."""
    return Interval(math.nan, math.nan, f"undefined: {reason}", level, n, 0)


def wilson(successes: int, n: int, level: float) -> Interval:
    """Return the score interval of a proportion p = successes / n.

    (p + z²/2n ± z √(p(1 − p)/n + z²/4n²)) / (1 + z²/n), z the normal quantile of (1 + level)/2 (Wilson 1927, JASA 22).

    Args:
        successes: in [0, n].
        n: number of trials, in [1, inf).
        level: in (0, 1).

    Raises:
        ValueError: an argument is out of its range.
    """
    from scipy.special import ndtri

    _check_proportion(successes, n, level)
    z2, p = float(ndtri((1 + level) / 2)) ** 2, successes / n
    centre = p + z2 / (2 * n)
    half = math.sqrt(z2 * (p * (1 - p) / n + z2 / (4 * n * n)))
    low = 0.0 if successes == 0 else (centre - half) / (1 + z2 / n)
    high = 1.0 if successes == n else (centre + half) / (1 + z2 / n)
    return Interval(low, high, "Wilson", level, n, 0)


def clopper_pearson(successes: int, n: int, level: float) -> Interval:
    """Return the exact interval of a proportion, whose coverage is never below its level.

    The α/2 and 1 − α/2 quantiles of Beta(k, n − k + 1) and Beta(k + 1, n − k), k successes, α = 1 − level
    (Clopper & Pearson 1934, Biometrika 26).

    Args:
        successes: in [0, n].
        n: number of trials, in [1, inf).
        level: in (0, 1).

    Raises:
        ValueError: an argument is out of its range.
    """
    from scipy.special import betaincinv

    _check_proportion(successes, n, level)
    tail = (1 - level) / 2
    low = 0.0 if successes == 0 else float(betaincinv(successes, n - successes + 1, tail))
    high = 1.0 if successes == n else float(betaincinv(successes + 1, n - successes, 1 - tail))
    return Interval(low, high, "Clopper-Pearson", level, n, 0)


def clopper_pearson_upper(successes: int, n: int, level: float) -> float:
    """Return the bound that a proportion is below with probability of at least level, the one-sided exact one.

    The level quantile of Beta(k + 1, n − k), k successes; 1 for k = n (Clopper & Pearson 1934, Biometrika 26).

    Args:
        successes: in [0, n].
        n: number of trials, in [1, inf).
        level: in (0, 1).

    Raises:
        ValueError: an argument is out of its range.
    """
    from scipy.special import betaincinv

    _check_proportion(successes, n, level)
    return 1.0 if successes == n else float(betaincinv(successes + 1, n - successes, level))


def hoeffding_upper(mean: float, n: int, level: float) -> float:
    """Return the bound that the expectation of values in [0, 1] is below with probability of at least level.

    mean + √(ln(1 / (1 − level)) / 2n), at most 1 (Hoeffding 1963, JASA 58, theorem 1).

    Args:
        mean: of n independent values, in [0, 1].
        level: in (0, 1).

    Raises:
        ValueError: an argument is out of its range.
    """
    _check_level(level)
    if n < 1 or not 0 <= mean <= 1:
        raise ValueError(f"n must be in [1, inf) and mean in [0, 1], got {n} and {mean}")
    return min(1.0, mean + math.sqrt(-math.log1p(-level) / (2 * n)))


def newcombe(successes: int, n: int, other_successes: int, other_n: int, level: float) -> Interval:
    """Return the interval of a difference of proportions of independent samples, successes / n minus the other.

    Wilson's interval of each, joined by `difference` (Newcombe 1998, Statistics in Medicine 17, method 10).

    Raises:
        ValueError: an argument is out of its range, see `wilson`.
    """
    one, other = wilson(successes, n, level), wilson(other_successes, other_n, level)
    return difference(successes / n, one, other_successes / other_n, other)._replace(method="Newcombe")


def difference(value: float, interval: Interval, other_value: float, other: Interval) -> Interval:
    """Return the interval of value − other value, two quantities of independent samples whose intervals are known.

    d − √((v − l)² + (U − V)²) to d + √((u − v)² + (V − L)²), d = v − V, of the intervals [l, u] around v and [L, U]
    around V of one level (MOVER: Zou & Donner 2008, Statistics in Medicine 27). Undefined where one of the two is.
    """
    n = interval.n + other.n
    for own in (interval, other):
        if not math.isfinite(own.low) or not math.isfinite(own.high):
            return Interval(math.nan, math.nan, own.method, own.level, n, 0)
    centre = value - other_value
    # A bootstrap's interval may leave out the value.
    down = math.hypot(max(0.0, value - interval.low), max(0.0, other.high - other_value))
    up = math.hypot(max(0.0, interval.high - value), max(0.0, other_value - other.low))
    method = f"MOVER, of {interval.method}"
    return Interval(centre - down, centre + up, method, interval.level, n, max(interval.num_draws, other.num_draws))


def proportion(successes: int, n: int, level: float) -> Interval:
    """Return Wilson's interval, or Clopper and Pearson's where n < 100 or successes is 0 or n.

    Args:
        successes: in [0, n].
        n: number of trials, in [1, inf).
        level: in (0, 1).

    Raises:
        ValueError: an argument is out of its range.
    """
    exact = n < SMALL_PROPORTION or successes in (0, n)
    return clopper_pearson(successes, n, level) if exact else wilson(successes, n, level)


def student_t(values: ArrayLike, level: float) -> Interval:
    """Return the t interval of the mean of independent values [N], such as one result per seed.

    mean ± t s/√N, t the (1 + level)/2 quantile of Student's t with N − 1 degrees of freedom, s the sample standard
    deviation. Undefined for N = 1.

    Raises:
        ValueError: level is not in (0, 1), or values are empty or not finite.
    """
    from scipy.special import stdtrit

    _check_level(level)
    sample = _finite(values)
    n = sample.size
    if n == 1:
        return undefined("one value", level, n)
    centre = float(sample.mean())
    half = float(stdtrit(n - 1, (1 + level) / 2)) * float(sample.std(ddof=1)) / math.sqrt(n)
    return Interval(centre - half, centre + half, "Student t", level, n, 0)


def corrected_t(values: ArrayLike, ratio: float, level: float) -> Interval:
    """Return the interval of the mean of results [J] whose train sets overlap: of folds, or of random divisions.

    mean ± t s √(1/J + ratio), t and s as in `student_t` (Nadeau & Bengio 2003, Machine Learning 52, section 4.2, the
    corrected resampled t test). Results of overlapping train sets are correlated, by about n_test / (n_test +
    n_train), so their spread alone makes the mean look surer than it is. Undefined for J = 1.

    Args:
        ratio: n_test / n_train: how many examples a result is measured on, to those that it was trained on.

    Raises:
        ValueError: level is not in (0, 1), ratio is not in (0, inf), or values are empty or not finite.
    """
    from scipy.special import stdtrit

    _check_level(level)
    sample = _finite(values)
    if not 0 < ratio < math.inf:
        raise ValueError(f"ratio must be in (0, inf), got {ratio}")
    n = sample.size
    if n == 1:
        return undefined("one value", level, n)
    centre = float(sample.mean())
    half = float(stdtrit(n - 1, (1 + level) / 2)) * float(sample.std(ddof=1)) * math.sqrt(1 / n + ratio)
    return Interval(centre - half, centre + half, "Nadeau-Bengio", level, n, 0)


def mean(values: ArrayLike, level: float, seed: int) -> Interval:
    """Return the bootstrap interval of the mean of values [N]; see `function_of_means`.

    Zero wide where all values are equal: a bootstrap cannot see variation that its sample lacks. Undefined for N = 1.

    Raises:
        ValueError: level is not in (0, 1), or values are empty or not finite.
    """
    return function_of_means(_finite(values)[None], lambda means: means[0], level, seed)


def means(columns: ArrayLike, level: float, seed: int) -> list[Interval]:
    """Return `mean` of each of columns [K, N]. The same examples are drawn for all of them, once.

    Raises:
        ValueError: level is not in (0, 1), or columns are empty or not finite.
    """
    _check_level(level)
    columns = _finite(columns)
    n = columns.shape[1]
    if n == 1:
        return [undefined("one value", level, n) for _ in columns]
    draws = resampled_means(columns, _num_draws(n), seed)
    return [_bootstrap(own, lambda means: means[0], column[None], level)
            for own, column in zip(draws, columns, strict=True)]


def function_of_means(
    columns: np.ndarray, function: Callable[[np.ndarray], np.ndarray], level: float, seed: int
) -> Interval:
    """Return the bootstrap interval of function(mean over examples of columns).

    Examples are drawn whole, so columns stay paired. BCa (Efron 1987, JASA 82) with 9,999 draws for N ≤ 2,000, where
    skewness matters; else percentile with 2,000. Equals `scipy.stats.bootstrap` fed the same generator.

    Args:
        columns: per-example values [K, N].
        function: maps means [K, M] to statistics [M].
        level: in (0, 1).
        seed: of the draws; the same seed gives the same interval.

    Returns:
        The interval; undefined for N = 1.

    Raises:
        ValueError: level is not in (0, 1), or columns are empty or not finite.
    """
    _check_level(level)
    columns = _finite(columns)
    n = columns.shape[1]
    if n == 1:
        return undefined("one value", level, n)
    return _bootstrap(function(resampled_means(columns, _num_draws(n), seed)), function, columns, level)


def _num_draws(n: int) -> int:
    return BCA_DRAWS if n <= MAX_BCA else PERCENTILE_DRAWS


def _bootstrap(draws: np.ndarray, function: Callable[[np.ndarray], np.ndarray], columns: np.ndarray, level: float
               ) -> Interval:
    """Return the interval of function(means of columns [K, N]) from its draws [R]."""
    n = columns.shape[1]
    if n > MAX_BCA:
        return percentile(draws, level, n, "percentile bootstrap")
    own = columns.mean(axis=1, keepdims=True)
    value, left_out = function(own)[0], function((n * own - columns) / (n - 1))
    low, high = np.quantile(draws, _bca_quantiles(draws, value, left_out, level))
    return Interval(float(low), float(high), "BCa bootstrap", level, n, draws.size)


def percentile(draws: np.ndarray, level: float, n: int, method: str) -> Interval:
    """Return the interval between the (1 ∓ level)/2 quantiles of a statistic's bootstrap draws [R].

    Raises:
        ValueError: level is not in (0, 1).
    """
    _check_level(level)
    low, high = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(low), float(high), method, level, n, draws.size)


def _bca_quantiles(draws: np.ndarray, value: float, left_out: np.ndarray, level: float) -> np.ndarray:
    """Return the two quantiles of the draws that bound the interval (Efron & Tibshirani 1993, equation 14.10).

    left_out [N] is the statistic without each example. The bias correction stays finite where all draws lie on one
    side of the value, by counting half a draw on the other.
    """
    from scipy.special import ndtr, ndtri

    # A resample may sum the same values in another order: draws that differ by its rounding are equal.
    slack = _ROUNDING * np.abs(draws).max()
    below = ((draws < value - slack).mean() + (draws <= value + slack).mean()) / 2
    bias = ndtri(np.clip(below, 0.5 / draws.size, 1 - 0.5 / draws.size))
    shifted = bias + ndtri(np.array([(1 - level) / 2, (1 + level) / 2]))
    shrink = 1 - _acceleration(left_out) * shifted
    reach = np.where(shrink > 0, shifted / np.where(shrink > 0, shrink, 1), np.copysign(np.inf, shifted))
    return np.asarray(ndtr(bias + reach))


def _acceleration(left_out: np.ndarray) -> float:
    """Return Σ u³ / 6 (Σ u²)^{3/2}, u = mean(left_out) − left_out scaled to at most 1; 0 where all are equal."""
    deviations = left_out.mean() - left_out
    largest = np.abs(deviations).max()
    if largest == 0:
        return 0.0
    deviations = deviations / largest
    return float((deviations**3).sum() / (6 * (deviations**2).sum() ** 1.5))


def _check_level(level: float) -> None:
    if not 0 < level < 1:
        raise ValueError(f"level must be in (0, 1), got {level}")


def _check_proportion(successes: int, n: int, level: float) -> None:
    _check_level(level)
    if n < 1:
        raise ValueError(f"n must be in [1, inf), got {n}")
    if not 0 <= successes <= n:
        raise ValueError(f"successes must be in [0, {n}], got {successes}")


def _finite(values: ArrayLike) -> np.ndarray:
    sample = np.asarray(values, dtype=np.float64)
    if sample.size == 0:
        raise ValueError("values must not be empty")
    if not np.isfinite(sample).all():
        raise ValueError(f"values must be finite, got {np.count_nonzero(~np.isfinite(sample))} that are not")
    return sample
