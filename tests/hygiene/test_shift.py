"""Differences between splits: statistics of scipy, p-values of random divisions by simulation."""

import numpy as np
import pytest
from scipy.stats import chi2_contingency, ks_2samp, kstest
from sklearn.linear_model import Ridge
from sklearn.metrics import roc_auc_score

from dlx.hygiene.properties import Properties
from dlx.hygiene.shift import (
    NUM_PERMUTATIONS,
    _left_out_scores,
    chi_squared,
    kolmogorov_smirnov,
    label_test,
    property_tests,
    shift,
    tell_apart,
)


def numbers(values, categorical=()):
    flags = np.array([at in categorical for at in range(values.shape[1])])
    return Properties(values, tuple(f"x{at}" for at in range(values.shape[1])), flags)


@pytest.mark.parametrize(("n", "m"), [(300, 120), (37, 800), (2000, 2000)])
def test_kolmogorov_smirnov_is_scipys(n, m):
    draw = np.random.default_rng(n)
    one, other = draw.normal(size=(n, 3)), np.round(draw.normal(0.1, 1.1, size=(m, 3)), 1)
    distances, p_values = kolmogorov_smirnov(one, other)
    for at in range(3):
        wanted = ks_2samp(one[:, at], other[:, at], method="asymp")
        assert (distances[at], p_values[at]) == pytest.approx((wanted.statistic, wanted.pvalue))


def test_missing_values_are_left_out():
    draw = np.random.default_rng(0)
    one, other = draw.normal(size=(100, 1)), draw.normal(size=(80, 1))
    with_gaps = np.concatenate([one, np.full((40, 1), np.nan)])
    assert kolmogorov_smirnov(with_gaps, other)[1] == kolmogorov_smirnov(one, other)[1]


def test_chi_squared_is_scipys():
    draw = np.random.default_rng(1)
    one, other = draw.integers(0, 4, 500), draw.choice(4, 300, p=[0.3, 0.3, 0.2, 0.2])
    table = np.stack([np.bincount(own, minlength=4) for own in (one, other)])
    wanted = chi2_contingency(table, correction=False)
    assert chi_squared(one, other) == pytest.approx((wanted.statistic, wanted.pvalue))


def test_rare_values_are_counted_together():
    draw = np.random.default_rng(2)
    p_values = [chi_squared(draw.integers(0, 400, 200), draw.integers(0, 400, 100))[1] for _ in range(50)]
    assert min(p_values) > 1e-4


def test_p_values_of_random_divisions_are_uniform():
    draw = np.random.default_rng(3)
    p_values = []
    for _ in range(150):
        values = draw.standard_t(3, size=(90, 6)) @ draw.normal(size=(6, 6))
        p_values.append(tell_apart(values[:50], values[50:]).p_value)
    assert kstest(p_values, "uniform").pvalue > 1e-3
    assert np.mean(np.array(p_values) < 0.05) < 0.12


def test_scores_are_those_of_scikit_learns_ridge_on_the_other_folds():
    draw = np.random.default_rng(4)
    values, folds = draw.normal(size=(40, 5)), np.arange(40) % 5
    sides = np.stack([draw.permutation(np.repeat([0.0, 1.0], 20)) for _ in range(3)], axis=1)
    scores = _left_out_scores(values, sides, folds)
    for fold in range(5):
        rest, own = folds != fold, folds == fold
        scaled = (values - values[rest].mean(axis=0)) / values[rest].std(axis=0)
        for column in range(3):
            fitted = Ridge(alpha=5.0, fit_intercept=False).fit(scaled[rest], sides[rest, column] - 0.5)
            np.testing.assert_allclose(scores[own, column], fitted.predict(scaled[own]), atol=1e-9)


def test_a_shifted_split_is_told_apart_and_its_property_named():
    draw = np.random.default_rng(5)
    train, test = draw.normal(size=(400, 8)), draw.normal(size=(200, 8))
    test[:, 2] += 1.0
    labels = label_test(draw.integers(0, 2, 400), draw.integers(0, 2, 200), "classification")
    found = shift(train, test, numbers(train), numbers(test), labels)
    assert found.classifier.p_value == 1 / (NUM_PERMUTATIONS + 1)
    assert found.classifier.auc > 0.7
    assert [test.name for test in found.properties] == ["x2"]
    assert found.labels.p_value > 0.001


def test_area_is_near_a_half_where_nothing_differs():
    values = np.random.default_rng(6).normal(size=(800, 20))
    assert tell_apart(values[:400], values[400:]).auc == pytest.approx(0.5, abs=0.06)


def test_area_is_scikit_learns_for_a_perfect_difference():
    draw = np.random.default_rng(7)
    one, other = draw.normal(size=(60, 2)), draw.normal(size=(60, 2)) + 20
    assert tell_apart(one, other).auc == roc_auc_score(np.repeat([0, 1], 60), np.repeat([0, 1], 60))


def test_categories_are_tested_by_counts_not_by_their_codes():
    draw = np.random.default_rng(8)
    one, other = draw.choice([0.0, 2.0], (300, 1)), np.ones((300, 1))
    (test,) = property_tests(numbers(one, {0}), numbers(other, {0}))
    assert test.statistic == "chi2"
    assert test.p_value < 1e-10


def test_properties_are_corrected_together():
    draw = np.random.default_rng(9)
    found = 0
    for _ in range(20):
        values = draw.normal(size=(300, 40))
        tests = property_tests(numbers(values[:150]), numbers(values[150:]))
        found += any(test.q_value < 0.01 for test in tests)
    assert found <= 2


def test_label_shift_of_classes_and_numbers():
    draw = np.random.default_rng(10)
    assert label_test(draw.integers(0, 3, 300), np.zeros(100, int), "classification").p_value < 1e-10
    assert label_test(draw.normal(size=300), draw.normal(2, 1, 100), "regression").p_value < 1e-10


def test_too_few_rows_are_not_told_apart():
    assert tell_apart(np.zeros((100, 2)), np.zeros((9, 2))) is None
