"""Reweighting val to test: closed forms, simulations in which the truth is known, and a brute-force loop."""

import numpy as np
import pytest
from scipy.stats import norm

from dlx.core.random import numpy_generator
from dlx.measure.reweighting import (
    accuracy_of_shares,
    black_box_shares,
    drawn_shares,
    effective_sample_size,
    expected_shares,
    importance_weights,
    joint_counts,
    wider_interval,
)

RECALLS = np.array([[0.8, 0.1, 0.05], [0.15, 0.7, 0.15], [0.05, 0.2, 0.8]])


def test_effective_sample_size_of_equal_weights_is_their_number():
    assert effective_sample_size(np.full(50, 0.3)) == pytest.approx(50)
    assert effective_sample_size(np.array([1.0, 0, 0, 0])) == 1
    assert effective_sample_size(np.array([1.0, 2.0])) == pytest.approx(9 / 5)


def test_importance_weights_of_a_shifted_normal_are_its_likelihood_ratio():
    draw = np.random.default_rng(0)
    source, target = draw.normal(0, 1, (20000, 1)), draw.normal(0.5, 1, (30000, 1))
    found = importance_weights(source, target)
    true = norm.pdf(source[:, 0], 0.5) / norm.pdf(source[:, 0])
    near = np.abs(source[:, 0]) < 2.5
    np.testing.assert_allclose(found.values[near], true[near], rtol=0.15)
    assert found.auc == pytest.approx(norm.cdf(0.5 / np.sqrt(2)), abs=0.01)
    assert (found.values * source[:, 0]).sum() / found.values.sum() == pytest.approx(0.5, abs=0.03)


def test_importance_weights_of_one_distribution_are_about_one():
    draw = np.random.default_rng(1)
    found = importance_weights(draw.normal(size=(3000, 4)), draw.normal(size=(2000, 4)))
    assert found.auc == pytest.approx(0.5, abs=0.03)
    assert effective_sample_size(found.values) > 2950
    assert found.values.mean() == pytest.approx(1, abs=0.02)


def test_weights_of_a_row_do_not_know_its_side():
    """Cross-fitting: of pure noise in many columns no classifier tells the sides of rows that it has not seen."""
    draw = np.random.default_rng(2)
    found = importance_weights(draw.normal(size=(150, 60)), draw.normal(size=(150, 60)))
    assert 0.35 < found.auc < 0.65


def test_joint_counts_count_pairs():
    predicted, targets = np.array([0, 1, 1, 2, 2, 2]), np.array([0, 1, 0, 2, 2, 1])
    loop = np.zeros((3, 3), int)
    for one, other in zip(predicted, targets, strict=True):
        loop[one, other] += 1
    assert (joint_counts(predicted, targets, 3) == loop).all()


@pytest.mark.parametrize("shares", [[0.2, 0.3, 0.5], [0.05, 0.9, 0.05], [1.0, 0.0, 0.0]])
def test_black_box_shares_invert_the_confusion_exactly(shares):
    val = np.array([0.4, 0.4, 0.2])
    joint, predicted = 10_000 * RECALLS * val, RECALLS @ shares
    np.testing.assert_allclose(black_box_shares(joint, predicted), shares, atol=1e-12)
    assert accuracy_of_shares(joint, np.array(shares)) == pytest.approx(np.diag(RECALLS) @ shares)


def test_black_box_shares_of_a_classifier_that_never_says_a_class_are_none():
    joint = np.array([[5, 3, 2], [1, 6, 4], [0, 0, 0]])
    assert black_box_shares(joint, np.array([4, 6, 0])) is None


def test_black_box_shares_below_zero_are_cut_off():
    joint = 1000 * RECALLS * np.full(3, 1 / 3)
    found = black_box_shares(joint, np.array([0.95, 0.04, 0.01]))
    assert found.min() == 0
    assert found.sum() == pytest.approx(1)


def test_expected_shares_are_the_fixed_point_and_recover_a_shift():
    """Two normal classes with the true posterior of a prior that is not that of the target."""
    draw, prior, shares = np.random.default_rng(0), np.array([0.5, 0.5]), np.array([0.85, 0.15])
    targets = (draw.random(40000) < shares[1]).astype(int)
    values = draw.normal(2.0 * targets, 1)
    weights = np.stack([norm.pdf(values, 0), norm.pdf(values, 2)], axis=1) * prior
    probs = weights / weights.sum(axis=1, keepdims=True)
    found = expected_shares(probs, prior)
    np.testing.assert_allclose(found, shares, atol=0.01)
    again = probs * found / prior
    np.testing.assert_allclose((again / again.sum(axis=1, keepdims=True)).mean(axis=0), found, atol=1e-6)


def test_expected_shares_of_the_same_shares_stay():
    probs = np.array([[0.9, 0.1], [0.1, 0.9]])
    np.testing.assert_allclose(expected_shares(probs, np.array([0.5, 0.5])), [0.5, 0.5])


def test_expected_shares_of_a_class_without_train_examples_are_zero():
    found = expected_shares(np.array([[0.5, 0.3, 0.2], [0.2, 0.6, 0.2]]), np.array([0.5, 0.5, 0.0]))
    assert found[2] == 0
    assert found.sum() == pytest.approx(1)


def simulated(draw, val_shares, shares, n=400):
    samples = []
    for own in (val_shares, shares):
        targets = draw.choice(3, n, p=own)
        samples.append(((draw.random((n, 1)) > RECALLS[:, targets].T.cumsum(axis=1)).sum(axis=1).clip(max=2), targets))
    (predicted, targets), (on_test, _) = samples
    return joint_counts(predicted, targets, 3), np.bincount(on_test, minlength=3)


@pytest.mark.parametrize("shares", [[0.2, 0.3, 0.5], [0.6, 0.3, 0.1]])
def test_intervals_of_black_box_shares_and_of_their_accuracy_cover(shares):
    draw, hits, num_runs = np.random.default_rng(0), [], 500
    truth = np.array([*shares, np.diag(RECALLS) @ shares])
    for _ in range(num_runs):
        joint, predicted = simulated(draw, [0.4, 0.4, 0.2], shares)
        found = drawn_shares(joint, predicted, 300, draw)
        shares_found = black_box_shares(joint, predicted)
        values = [*shares_found, accuracy_of_shares(joint, shares_found)]
        bounds = [wider_interval(value, own, 0.95) for value, own in
                  zip(values, np.column_stack([found.shares, found.accuracies]).T, strict=True)]
        hits.append([low <= true <= high for (low, high), true in zip(bounds, truth, strict=True)])
    # 0.94 less what 500 runs may miss it by.
    assert np.mean(hits, axis=0).min() >= 0.93
    assert np.mean(hits) >= 0.945


def test_drawn_shares_are_the_same_again():
    joint, predicted = simulated(np.random.default_rng(0), [0.4, 0.4, 0.2], [0.2, 0.3, 0.5])
    one, other = (drawn_shares(joint, predicted, 50, numpy_generator(0, "label-shift")).shares for _ in range(2))
    assert (one == other).all()
