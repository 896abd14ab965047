"""Two models on the same examples, or two configurations over the same seeds. N examples, S seeds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from dlx.core.intervals import Interval, undefined

# With fewer values in a row resampling cannot see how far they spread.
MIN_RESAMPLED = 3


class Test(NamedTuple):
    """A test of no difference: statistic, two-sided p-value (nan where it cannot be made), and how many pairs."""

    statistic: float
    p_value: float
    n: int


def holm(p_values: Sequence[float]) -> list[float]:
    """Return the adjusted p-values of Holm 1979: by chance, one is below alpha with probability alpha at most."""
    order = np.argsort(p_values, kind="stable")
    raised = np.array(p_values)[order] * np.arange(len(p_values), 0, -1)
    adjusted = np.empty(len(p_values))
    adjusted[order] = np.minimum(1, np.maximum.accumulate(raised))
    return [float(value) for value in adjusted]


def mcnemar(one: np.ndarray, other: np.ndarray) -> Test:
    """Test whether two models are right equally often, on the examples of which one alone is right (McNemar 1947).

    Exact: of the examples on which they differ, which of them is right is a fair coin. The statistic is how many of
    them the second has right.

    Args:
        one, other: whether each is right [N].
    """
    from scipy.stats import binomtest

    first, second = int((one & ~other).sum()), int((other & ~one).sum())
    if first + second == 0:
        return Test(0.0, 1.0, len(one))
    return Test(float(second), float(binomtest(second, first + second, 0.5).pvalue), len(one))


def paired_t(differences: np.ndarray) -> Test:
    """Test whether the mean of differences [S] is 0: Student's paired t test. nan for fewer than two pairs."""
    from scipy.special import stdtr

    n = len(differences)
    if n < 2:
        return Test(math.nan, math.nan, n)
    mean, error = float(differences.mean()), float(differences.std(ddof=1)) / math.sqrt(n)
    if error == 0:
        return Test(math.copysign(math.inf, mean) if mean else 0.0, 0.0 if mean else 1.0, n)
    return Test(mean / error, float(2 * stdtr(n - 1, -abs(mean / error))), n)


def signed_ranks(differences: np.ndarray) -> Test:
    """Test whether differences [S] are symmetric around 0: Wilcoxon's signed-rank test, exact for at most 50 pairs.

    Pairs without a difference are left out (Wilcoxon 1945). nan where none is left.
    """
    from scipy.stats import wilcoxon

    known = differences[differences != 0]
    if not len(known):
        return Test(math.nan, 1.0 if len(differences) else math.nan, 0)
    # Equal ranks have no exact distribution but that of all signs, which few pairs allow.
    found = wilcoxon(known, method="exact" if len(known) <= 50 and len({*np.abs(known)}) == len(known) else "auto")
    return Test(float(found.statistic), float(found.pvalue), len(known))


def equivalence(differences: np.ndarray, margin: float) -> Test:
    """Test whether the mean of differences [S] lies outside of ±margin: two one-sided t tests (Schuirmann 1987).

    A small p-value says that it lies inside: equivalent, for who chose the margin. nan for fewer than two pairs.

    Args:
        margin: above 0, in the units of the differences.
    """
    below, above = paired_t(differences + margin), paired_t(differences - margin)
    if below.n < 2:
        return below
    p_values = [below.p_value / 2 if below.statistic > 0 else 1 - below.p_value / 2,
                above.p_value / 2 if above.statistic < 0 else 1 - above.p_value / 2]
    weaker = int(np.argmax(p_values))
    return Test((below, above)[weaker].statistic, max(p_values), below.n)


def interquartile_mean(values: np.ndarray) -> float:
    """Return the mean of the middle half of values: less noisy than the median, less moved by outliers than the mean.

    Of N values the floor(N / 4) smallest and as many largest are left out (Agarwal et al. 2021, IQM; scipy's
    trim_mean).
    """
    from scipy.stats import trim_mean

    return float(trim_mean(values, 0.25, axis=None))


def stratified_iqm(values: np.ndarray, num_draws: int, seed: int) -> np.ndarray:
    """Return bootstrap draws [num_draws] of the interquartile mean of values [P, S] over all P · S of them.

    Seeds are drawn within each of the P configurations (Agarwal et al. 2021, stratified bootstrap).
    """
    from dlx.core.random import numpy_generator

    rows, columns = values.shape
    places = numpy_generator(seed, "stratified bootstrap").integers(columns, size=(num_draws, rows, columns))
    drawn = np.sort(values[np.arange(rows)[:, None], places].reshape(num_draws, -1), axis=1)
    cut = int(0.25 * rows * columns)
    middle: np.ndarray = drawn[:, cut : rows * columns - cut].mean(axis=1)
    return middle


def iqm_interval(values: np.ndarray, level: float, num_draws: int, seed: int) -> Interval:
    """Return the interval of the interquartile mean of values [P, S]: percentiles of its stratified bootstrap, widened.

    Distances to the estimate are multiplied by √(S / (S - 1)) t / z, t the quantile of P (S - 1) degrees of freedom and
    z the normal one, for resampling S values understates their spread (Hesterberg 2015, section 4.3.3, there for the
    levels of percentiles). Undefined for fewer than 3 seeds.
    """
    from scipy.special import ndtri, stdtrit

    rows, columns = values.shape
    if columns < MIN_RESAMPLED:
        return undefined("fewer than 3 seeds", level, values.size)
    centre, upper = interquartile_mean(values), (1 + level) / 2
    bounds = np.quantile(stratified_iqm(values, num_draws, seed), [1 - upper, upper])
    wider = math.sqrt(columns / (columns - 1)) * float(stdtrit(rows * (columns - 1), upper)) / float(ndtri(upper))
    low, high = (centre + wider * (float(bound) - centre) for bound in bounds)
    return Interval(low, high, "stratified bootstrap, widened", level, values.size, num_draws)
