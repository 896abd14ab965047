"""Synthetic data against the truth that each states. N rows, C classes."""

import numpy as np
import pytest
from scipy.stats import binom, chi2
from sklearn.datasets import make_blobs, make_moons
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.neighbors import KNeighborsClassifier

from dlx.core.errors import ConfigError
from dlx.dataset.blobs import Blobs
from dlx.dataset.moons import Moons
from dlx.dataset.polynomial import Polynomial
from dlx.dataset.sine import Sine
from dlx.dataset.spirals import Spirals


@pytest.mark.parametrize(("num_examples", "noise", "seed"), [(1000, 0.2, 0), (7, 0.0, 5), (2, 1.5, 4294967295)])
def test_moons_are_those_of_scikit_learn(num_examples, noise, seed):
    arrays = Moons(num_examples=num_examples, noise=noise, seed=seed).load("")
    inputs, targets = make_moons(num_examples, noise=noise, random_state=seed)
    assert np.array_equal(arrays.inputs, inputs.astype(np.float32))
    assert np.array_equal(arrays.targets, targets)


def test_moons_without_noise_are_half_circles_half_apart():
    arrays = Moons(num_examples=400, noise=0, seed=0).load("")
    upper, lower = (arrays.inputs[arrays.targets == label].astype(np.float64) for label in (0, 1))
    np.testing.assert_allclose(np.hypot(*upper.T), 1, atol=1e-6)
    np.testing.assert_allclose(np.hypot(lower[:, 0] - 1, lower[:, 1] - 0.5), 1, atol=1e-6)
    assert upper[:, 1].min() >= 0
    assert lower[:, 1].max() <= 0.5
    distances = np.linalg.norm(upper[:, None] - lower, axis=2)
    assert distances.min() == pytest.approx(0.5, abs=1e-3)


@pytest.mark.parametrize(("count", "features", "classes", "noise", "seed"), [(1000, 2, 3, 1.0, 0), (11, 5, 11, 0.0, 3)])
def test_blobs_are_those_of_scikit_learn(count, features, classes, noise, seed):
    dataset = Blobs(num_examples=count, num_features=features, num_classes=classes, noise=noise, seed=seed)
    inputs, targets, centers = make_blobs(count, features, centers=classes, cluster_std=noise, random_state=seed,
                                          return_centers=True)
    arrays = dataset.load("")
    assert np.array_equal(arrays.inputs, inputs.astype(np.float32))
    assert np.array_equal(arrays.targets, targets)
    assert np.array_equal(dataset.centers(), centers)


def test_blobs_nearest_true_center_reaches_the_stated_accuracy_and_no_fitted_rule_more():
    dataset = Blobs(num_examples=40_000, num_features=2, num_classes=3, noise=1.0, seed=0)
    arrays = dataset.load("")
    squared = ((arrays.inputs[:, None] - dataset.centers()) ** 2).sum(axis=2)
    best = (squared.argmin(axis=1) == arrays.targets).mean()
    assert best == pytest.approx(0.92, abs=0.005)
    fitted = LogisticRegression().fit(arrays.inputs[:20_000], arrays.targets[:20_000])
    assert fitted.score(arrays.inputs[20_000:], arrays.targets[20_000:]) < best + 0.005


def arm_of(points, classes, turns):
    """The arm that a point lies nearest to along its circle: the truth of spirals."""
    radius, angle = np.hypot(*points.T), np.arctan2(points[:, 1], points[:, 0])
    return np.round((angle / (2 * np.pi) - turns * radius) * classes).astype(int) % classes


@pytest.mark.parametrize(("classes", "turns"), [(2, 1.5), (3, 1.0), (5, 0.5)])
def test_spirals_without_noise_lie_on_their_arms(classes, turns):
    arrays = Spirals(num_examples=600, num_classes=classes, turns=turns, noise=0, seed=0).load("")
    points = arrays.inputs.astype(np.float64)
    assert np.array_equal(arm_of(points, classes, turns), arrays.targets)
    radius = np.hypot(*points.T)
    assert 0.1 - 1e-6 <= radius.min() < 0.13
    assert 0.97 < radius.max() <= 1 + 1e-6
    angle = 2 * np.pi * (turns * radius + arrays.targets / classes)
    np.testing.assert_allclose(points, np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1), atol=1e-5)


def test_spirals_are_separable_and_by_no_straight_line():
    arrays = Spirals(num_examples=1000, num_classes=2, turns=1.5, noise=0.02, seed=0).load("")
    train, test = slice(0, 700), slice(700, 1000)
    near = KNeighborsClassifier(1).fit(arrays.inputs[train], arrays.targets[train])
    assert near.score(arrays.inputs[test], arrays.targets[test]) == 1
    line = LogisticRegression().fit(arrays.inputs[train], arrays.targets[train])
    assert line.score(arrays.inputs[test], arrays.targets[test]) < 0.7


def test_spirals_noise_has_the_stated_deviation():
    noisy, clean = (Spirals(num_examples=20_000, num_classes=2, turns=1.5, noise=noise, seed=4).load("").inputs
                    for noise in (0.05, 0.0))
    assert_deviation((noisy.astype(np.float64) - clean).ravel(), 0.05)


def assert_deviation(residuals, noise):
    """Fail where independent normal residuals of the deviation would hardly ever be so."""
    low, high = chi2(len(residuals)).ppf([1e-6, 1 - 1e-6])
    assert low <= (residuals**2).sum() / noise**2 <= high
    assert abs(residuals.mean()) < 5 * noise / np.sqrt(len(residuals))


@pytest.mark.parametrize(("frequency", "noise"), [(1.0, 0.1), (2.5, 0.7)])
def test_sine_residuals_have_the_stated_deviation(frequency, noise):
    arrays = Sine(num_examples=20_000, frequency=frequency, noise=noise, seed=0).load("")
    x = arrays.inputs[:, 0].astype(np.float64)
    assert_deviation(arrays.targets - np.sin(2 * np.pi * frequency * x), noise)
    assert -1 <= x.min() < -0.99
    assert 0.99 < x.max() <= 1


@pytest.mark.parametrize("num_powers", [1, 3, 5])
def test_polynomial_residuals_have_the_stated_deviation(num_powers):
    arrays = Polynomial(num_examples=20_000, coefficients=[1.0, -2.0, -3.0, 5.0], num_powers=num_powers, noise=0.2,
                        seed=0).load("")
    x = arrays.inputs[:, 0].astype(np.float64)
    assert_deviation(arrays.targets - (1 - 2 * x - 3 * x**2 + 5 * x**3), 0.2)
    for power in range(1, num_powers + 1):
        np.testing.assert_allclose(arrays.inputs[:, power - 1], x**power, atol=1e-6)


def test_polynomial_powers_let_a_linear_model_find_the_coefficients_and_the_best_rmse():
    arrays = Polynomial(num_examples=20_000, coefficients=[1.0, -2.0, -3.0, 5.0], num_powers=3, noise=0.2,
                        seed=0).load("")
    fitted = LinearRegression().fit(arrays.inputs.astype(np.float64), arrays.targets)
    np.testing.assert_allclose([fitted.intercept_, *fitted.coef_], [1, -2, -3, 5], atol=0.05)
    rmse = np.sqrt(((fitted.predict(arrays.inputs) - arrays.targets) ** 2).mean())
    assert rmse == pytest.approx(0.2, rel=0.02)


@pytest.mark.parametrize("coefficients", [[], [3.0], [3.0, 0.0]])
def test_polynomial_of_constant_targets_is_refused_and_noise_alone_is_not(coefficients):
    with pytest.raises(ConfigError, match=r"dataset\.coefficients=.* the same target"):
        Polynomial(num_examples=10, coefficients=coefficients, num_powers=1, noise=0, seed=0)
    arrays = Polynomial(num_examples=20_000, coefficients=coefficients, num_powers=1, noise=1, seed=0).load("")
    assert_deviation(arrays.targets.astype(np.float64) - sum(coefficients[:1]), 1)


@pytest.mark.parametrize("make", [lambda count: Spirals(count, 5, 1.0, 0.1, 0), lambda count: Blobs(count, 2, 5, 1, 0)])
def test_classes_without_examples_are_refused(make):
    with pytest.raises(ConfigError, match=r"dataset\.num_examples=4 leaves classes without examples: use at least 5"):
        make(4)
    assert np.unique(make(5).load("").targets).tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("make", [
    lambda seed: Moons(60, 0.1, seed), lambda seed: Blobs(60, 2, 3, 1, seed), lambda seed: Spirals(60, 2, 1, 0.1, seed),
    lambda seed: Sine(60, 1.0, 0.1, seed), lambda seed: Polynomial(60, [0.0, 1.0], 1, 0.1, seed)])
def test_synthetic_data_follows_from_its_seed(make):
    one, same, other = (make(seed).load("") for seed in (1, 1, 2))
    assert one.inputs.tobytes() == same.inputs.tobytes()
    assert one.targets.tobytes() == same.targets.tobytes()
    assert not np.isin(one.inputs, other.inputs).all()


@pytest.mark.parametrize("classes", [2, 3, 7])
def test_spirals_classes_are_balanced_and_in_no_order(classes):
    targets = Spirals(num_examples=701, num_classes=classes, turns=1.0, noise=0.1, seed=0).load("").targets
    assert np.ptp(np.bincount(targets)) <= 1
    repeats = int((targets[1:] == targets[:-1]).sum())
    low, high = binom(700, 1 / classes).ppf([1e-6, 1 - 1e-6])
    assert low <= repeats <= high
