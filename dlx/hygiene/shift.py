"""Whether val and test look like train: a classifier that tells them apart, single properties, targets.

N rows of train, M rows held out, P properties, C classes, R permutations.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from dlx.core.random import numpy_generator
from dlx.core.types import Kind
from dlx.hygiene.data import ALPHA
from dlx.hygiene.properties import Properties

NUM_FOLDS, NUM_PERMUTATIONS = 5, 999
# Of each side; and of train for single properties.
CLASSIFIER_ROWS, PROPERTY_ROWS = 500, 10_000
RIDGE = 1.0


class Told(NamedTuple):
    """A linear classifier that tells held-out rows from train rows.

    auc: on rows that it was not fitted to; p_value: of an area as large in a random division, one-sided; num_rows: of
    both sides together; num_permutations: that the p-value rests on; adjusted: the p-value after `holm`.
    """

    auc: float
    p_value: float
    adjusted: float
    num_rows: int
    num_permutations: int


class Test(NamedTuple):
    """One test of one property.

    name; statistic: "KS" distance in [0, 1] or "chi2"; value; p_value; q_value: the smallest false discovery rate at
    which it is found (Benjamini and Hochberg 1995); of targets the p-value after `holm`.
    """

    name: str
    statistic: str
    value: float
    p_value: float
    q_value: float


class Shift(NamedTuple):
    """How a held-out split differs from train.

    classifier: None where there are too few rows; properties: those with a q-value below alpha, the smallest first;
    num_properties: how many were tested; labels: of targets, None where a row has many; alpha: of every test.
    """

    classifier: Told | None
    properties: tuple[Test, ...]
    num_properties: int
    labels: Test | None
    alpha: float


def shift(train: np.ndarray, other: np.ndarray, train_properties: Properties, other_properties: Properties,
          labels: Test | None) -> Shift:
    """Compare a held-out split with train.

    Args:
        train, other: features [N, D] and [M, D].
        labels: the test of targets; None where a row has many.
    """
    tests = property_tests(train_properties, other_properties)
    found = sorted((test for test in tests if test.q_value < ALPHA), key=lambda test: (test.q_value, -test.value))
    return Shift(tell_apart(train, other), tuple(found), len(tests), labels, ALPHA)


def tell_apart(train: np.ndarray, other: np.ndarray) -> Told | None:
    """Fit a ridge regression on which side a row is of, in 5 folds, and rank the rows that each fold leaves out.

    The classifier two-sample test of Lopez-Paz and Oquab 2017. Its p-value is exact: sides are permuted within folds,
    and the same regression is fitted to each of 999 permutations, which costs no more than products of matrices.
    """
    from scipy.stats import rankdata

    size = min(len(train), len(other), CLASSIFIER_ROWS)
    if size < 2 * NUM_FOLDS:
        return None
    draw = numpy_generator(0, "hygiene-tell-apart")
    values = np.concatenate([own[draw.permutation(len(own))[:size]] for own in (train, other)]).astype(np.float64)
    sides = np.repeat([0.0, 1.0], size)
    folds = np.tile(np.arange(size) % NUM_FOLDS, 2)
    drawn = _permuted(sides, folds, draw)
    ranks = rankdata(_left_out_scores(values, drawn, folds), axis=0)
    positive = drawn == 1
    areas = ((ranks * positive).sum(axis=0) - size * (size + 1) / 2) / size**2
    p_value = (1 + np.count_nonzero(areas[1:] >= areas[0] - 1e-12)) / (NUM_PERMUTATIONS + 1)
    return Told(float(areas[0]), float(p_value), float(p_value), 2 * size, NUM_PERMUTATIONS)


def _permuted(sides: np.ndarray, folds: np.ndarray, draw: np.random.Generator) -> np.ndarray:
    """Return sides as they are and permuted within folds, [n, 1 + R]."""
    drawn = np.tile(sides[:, None], (1, NUM_PERMUTATIONS + 1))
    for fold in range(NUM_FOLDS):
        own = np.flatnonzero(folds == fold)
        drawn[own, 1:] = draw.permuted(drawn[own, 1:], axis=0)
    return drawn


def _left_out_scores(values: np.ndarray, sides: np.ndarray, folds: np.ndarray) -> np.ndarray:
    """Return what a regression fitted to the other folds says of each row, [n, 1 + R]."""
    scores = np.empty(sides.shape)
    for fold in range(NUM_FOLDS):
        rest, own = folds != fold, folds == fold
        mean, deviation = values[rest].mean(axis=0), values[rest].std(axis=0)
        scaled = (values - mean) / np.where(deviation > 1e-9, deviation, np.inf)
        # The dual form, whose size is the number of rows.
        gram = scaled[rest] @ scaled[rest].T / values.shape[1]
        gram[np.diag_indices_from(gram)] += RIDGE
        kernel = scaled[own] @ scaled[rest].T / values.shape[1]
        scores[own] = np.linalg.solve(gram, kernel.T).T @ (sides[rest] - 0.5)
    return scores


def property_tests(train: Properties, other: Properties) -> list[Test]:
    """Test each property: Kolmogorov and Smirnov for numbers, chi-squared for categories; corrected together."""
    numbers = np.flatnonzero(~train.categorical)
    tests = {}
    if len(numbers):
        distances, p_values = kolmogorov_smirnov(train.values[:, numbers], other.values[:, numbers])
        tests = {int(at): ("KS", float(distance), float(p_value))
                 for at, distance, p_value in zip(numbers, distances, p_values, strict=True)}
    for at in np.flatnonzero(train.categorical):
        tests[int(at)] = ("chi2", *chi_squared(train.values[:, at], other.values[:, at]))
    corrected = benjamini_hochberg(np.array([tests[at][2] for at in sorted(tests)]))
    return [Test(train.names[at], *tests[at], float(q_value))
            for at, q_value in zip(sorted(tests), corrected, strict=True)]


def kolmogorov_smirnov(one: np.ndarray, other: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return distances and two-sided p-values of columns [N, P] and [M, P]; NaN are left out.

    The p-value is that of the one-sample statistic with n = NM / (N + M), as scipy.stats.ks_2samp's asymptotic one;
    equal values make it conservative.
    """
    from scipy.stats import kstwo

    distances, sizes = np.zeros(one.shape[1]), np.ones(one.shape[1])
    for at in range(one.shape[1]):
        left, right = (np.sort(own[:, at][~np.isnan(own[:, at])]) for own in (one, other))
        if len(left) and len(right):
            joined = np.concatenate([left, right])
            below = [np.searchsorted(own, joined, side="right") / len(own) for own in (left, right)]
            distances[at] = np.abs(below[0] - below[1]).max()
            sizes[at] = max(1.0, np.round(len(left) * len(right) / (len(left) + len(right))))
    return distances, np.clip(kstwo.sf(distances, sizes), 0, 1)


def chi_squared(one: np.ndarray, other: np.ndarray) -> tuple[float, float]:
    """Return Pearson's statistic and p-value for the counts of two samples' values; NaN are left out.

    Values that are expected less than five times in a sample are counted together.
    """
    from scipy.special import chdtrc

    one, other = (own[~np.isnan(own)] if own.dtype.kind == "f" else own for own in (one, other))
    known, codes = np.unique(np.concatenate([one, other]), return_inverse=True)
    table = np.stack([np.bincount(own, minlength=len(known)) for own in np.split(codes, [len(one)])]).astype(float)
    rare = table.sum(axis=0) * min(len(one), len(other)) < 5 * table.sum()
    table = np.concatenate([table[:, ~rare], table[:, rare].sum(axis=1, keepdims=True)], axis=1)
    table = table[:, table.sum(axis=0) > 0]
    if table.shape[1] < 2 or not table.sum(axis=1).all():
        return 0.0, 1.0
    expected = np.outer(table.sum(axis=1), table.sum(axis=0)) / table.sum()
    value = float(((table - expected) ** 2 / expected).sum())
    return value, float(chdtrc(table.shape[1] - 1, value))


def benjamini_hochberg(p_values: np.ndarray) -> np.ndarray:
    """Return the adjusted p-values of Benjamini and Hochberg 1995, [P]."""
    if len(p_values) == 0:
        return p_values
    from scipy.stats import false_discovery_control

    return np.asarray(false_discovery_control(p_values))


def label_test(train: np.ndarray, other: np.ndarray, kind: Kind) -> Test:
    """Test whether targets are distributed alike: chi-squared for classes, Kolmogorov and Smirnov for numbers."""
    if kind == "regression":
        distances, p_values = kolmogorov_smirnov(train[:, None].astype(float), other[:, None].astype(float))
        return Test("targets", "KS", float(distances[0]), float(p_values[0]), float(p_values[0]))
    value, p_value = chi_squared(train, other)
    return Test("targets", "chi2", value, p_value, p_value)
