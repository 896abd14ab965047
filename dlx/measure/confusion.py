"""What a classification got right, class by class. N examples, C classes; counts [C, C]: row the class, column the
class that was said."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from dlx.core.intervals import Interval, proportion, undefined


class Share(NamedTuple):
    """A proportion of n with its interval; value is None for n = 0."""

    value: float | None
    n: int
    interval: Interval


class Worst(NamedTuple):
    """The class with the lowest recall.

    share: its recall, with an interval that holds for all classes at once; p_value: see `worst_class`.
    """

    number: int
    share: Share
    p_value: float


class Homogeneity(NamedTuple):
    """Stuart and Maxwell's test: its statistic, degrees of freedom, p-value, and the mistakes that it rests on."""

    statistic: float
    df: int
    p_value: float
    n: int


def confusion(targets: np.ndarray, said: np.ndarray, num_classes: int) -> np.ndarray:
    """Count examples [C, C] of classes [N] and classes that were said [N]."""
    cells = targets.astype(np.int64) * num_classes + said.astype(np.int64)
    return np.bincount(cells, minlength=num_classes**2).reshape(num_classes, num_classes)


def recalls(counts: np.ndarray, level: float) -> list[Share]:
    """Return of each class the share of its examples that were given it, with intervals at `level` each."""
    return _shares(counts.diagonal(), counts.sum(axis=1), level)


def precisions(counts: np.ndarray, level: float) -> list[Share]:
    """Return of each class the share of examples given it that are of it, with intervals at `level` each."""
    return _shares(counts.diagonal(), counts.sum(axis=0), level)


def _shares(hits: np.ndarray, sizes: np.ndarray, level: float) -> list[Share]:
    return [Share(own / n, n, proportion(own, n, level)) if n else Share(None, 0, undefined("no examples", level, 0))
            for own, n in zip(hits.tolist(), sizes.tolist(), strict=True)]


def worst_class(counts: np.ndarray, level: float) -> Worst:
    """Return the class with the lowest recall, of equal ones that with most examples, among the K that have any.

    The lowest of K lies below what it would be on new data, so its interval is at level 1 − (1 − level)/K (Bonferroni):
    then all K intervals hold together with probability `level`. The p-value is that of a class as surprising where all
    share one recall q, the accuracy: 1 − (1 − P[X ≤ h])^K, X ~ Binomial(n, q), h of the class's n examples right
    (Šidák 1967, Journal of the American Statistical Association 62).

    Raises:
        ValueError: no class has examples.
    """
    from scipy.stats import binom

    sizes, hits = counts.sum(axis=1), counts.diagonal()
    present = np.flatnonzero(sizes)
    if len(present) == 0:
        raise ValueError("counts must not be empty")
    rates = hits[present] / sizes[present]
    number = int(present[np.lexsort((-sizes[present], rates))[0]])
    own, n = int(hits[number]), int(sizes[number])
    below = float(binom.cdf(own, n, hits.sum() / sizes.sum()))
    p_value = 1.0 if below >= 1 else -math.expm1(len(present) * math.log1p(-below))
    return Worst(number, Share(own / n, n, proportion(own, n, 1 - (1 - level) / len(present))), p_value)


def balanced_accuracy(counts: np.ndarray, level: float) -> Share:
    """Return the mean of recalls over the K classes that have examples, with an interval.

    low = mean − √Σ (r_c − l_c)² / K, high likewise, from the intervals [l_c, u_c] of single recalls (the method of
    variance estimates recovery, Zou and Donner 2008, Statistics in Medicine 27).
    """
    own = [share for share in recalls(counts, level) if share.value is not None]
    values = np.array([share.value for share in own], np.float64)
    lows, highs = (np.array([getattr(share.interval, end) for share in own]) for end in ("low", "high"))
    mean, n = float(values.mean()), int(counts.sum())
    below, above = (math.sqrt(float(((values - ends) ** 2).sum())) / len(own) for ends in (lows, highs))
    return Share(mean, n, Interval(mean - below, mean + above, "variance recovery from Wilson or Clopper-Pearson",
                                   level, n, 0))


def mcc(counts: np.ndarray) -> float | None:
    """Return Matthews' correlation of C classes, Gorodkin's R_K; None where targets or predictions are of one class.

    (c s − Σ p_k t_k) / √((s² − Σ p_k²)(s² − Σ t_k²)), c right, s all, t_k of class k, p_k said to be (Gorodkin 2004).
    """
    right, total = int(np.trace(counts)), int(counts.sum())
    true, said = ([int(value) for value in counts.sum(axis=axis)] for axis in (1, 0))
    spread = math.prod(total**2 - sum(value**2 for value in own) for own in (true, said))
    if spread == 0:
        return None
    return (right * total - sum(own * other for own, other in zip(true, said, strict=True))) / math.sqrt(spread)


def marginal_homogeneity(counts: np.ndarray) -> Homogeneity | None:
    """Test whether classes are said as often as they occur (Stuart 1955, Biometrika 42; Maxwell 1970).

    χ² = d' S⁻ d, d = row sums − column sums, S_ii = n_i. + n_.i − 2 n_ii, S_ij = −n_ij − n_ji; S⁻ its pseudo-inverse
    and its rank the degrees of freedom, which is C − 1 where every class is confused, over some others, with every
    other. Targets and predictions are of the same examples, which a chi-squared test of two samples would ignore.

    Returns:
        None where there are no mistakes.
    """
    from scipy.stats import chi2

    wrong = counts.astype(np.float64)
    np.fill_diagonal(wrong, 0)
    if not wrong.any():
        return None
    difference = wrong.sum(axis=1) - wrong.sum(axis=0)
    spread = np.diag(wrong.sum(axis=1) + wrong.sum(axis=0)) - wrong - wrong.T
    df = int(np.linalg.matrix_rank(spread, hermitian=True))
    statistic = float(difference @ np.linalg.pinv(spread, hermitian=True) @ difference)
    return Homogeneity(statistic, df, float(chi2.sf(statistic, df)), int(wrong.sum()))
