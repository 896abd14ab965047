"""Residuals of a regression, prediction − target. N examples, D features."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from dlx.core.intervals import Interval, undefined

MIN_ROWS = 4


class Test(NamedTuple):
    """A statistic with its p-value on n examples."""

    value: float
    p_value: float
    n: int


def breusch_pagan(residuals: np.ndarray, prediction: np.ndarray) -> Test | None:
    """Test whether the spread of residuals [N] changes with the prediction [N].

    LM = n R² of the regression of (e − mean e)² on 1 and the prediction, χ² with one degree of freedom (Breusch and
    Pagan 1979, Econometrica 47, studentized as Koenker 1981, Journal of Econometrics 17, which does not assume normal
    residuals).

    Returns:
        None where residuals or predictions are all equal, or for fewer than 4 examples.
    """
    from scipy.stats import chi2

    if len(residuals) < MIN_ROWS:
        return None
    squares, centred = (residuals - residuals.mean()) ** 2, prediction - prediction.mean()
    squares = squares - squares.mean()
    spread = float((centred**2).sum() * (squares**2).sum())
    if not spread > 0:
        return None
    statistic = len(residuals) * float((squares * centred).sum()) ** 2 / spread
    return Test(statistic, float(chi2.sf(statistic, 1)), len(residuals))


def rank_correlations(residuals: np.ndarray, features: np.ndarray) -> list[Test | None]:
    """Return Spearman's correlation of residuals [N] with each feature [N, D]; rows without a value are left out.

    None of a feature with one value, or with values in fewer than 4 rows. p-values are two-sided, by Student's t with
    n − 2 degrees of freedom, as those of scipy.stats.spearmanr.
    """
    return [_rank_correlation(residuals, features[:, at]) for at in range(features.shape[1])]


def _rank_correlation(residuals: np.ndarray, feature: np.ndarray) -> Test | None:
    from scipy.stats import spearmanr

    known = np.isfinite(feature)
    n, own, other = int(known.sum()), residuals[known], feature[known]
    if n < MIN_ROWS or (own == own[0]).all() or (other == other[0]).all():
        return None
    found = spearmanr(own, other)
    return Test(float(found.statistic), float(found.pvalue), n)


def quantile_interval(values: np.ndarray, share: float, level: float) -> tuple[float, Interval]:
    """Return a quantile of values [N], linear between order statistics, with an interval that assumes no distribution.

    It lies between two order statistics with probability `level` or more (scipy.stats.quantile_test).
    """
    from scipy.stats import quantile_test

    found: Any = quantile_test(values, q=0.0, p=share).confidence_interval(level)
    low, high = float(found.low), float(found.high)
    value, n = float(np.quantile(values, share)), len(values)
    if not np.isfinite([low, high]).all():
        return value, undefined("too few examples for this quantile", level, n)
    return value, Interval(low, high, "order statistics", level, n, 0)
