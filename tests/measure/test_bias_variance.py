"""Bias and variance against mlxtend, scikit-learn's example, loops and the identities that define them."""

import json
import runpy
from pathlib import Path

import numpy as np
import pytest

from dlx.measure.bias_variance import cross_entropy, squared, unbiased, zero_one

ORACLES = Path(__file__).resolve().parent.parent / "oracles"
ORACLE = json.loads((ORACLES / "bias_variance.json").read_text())


def drawn(num_models=5, num_examples=60, num_classes=4, concentration=0.5, seed=0):
    """Return probabilities [S, N, C] that belong to one another, and targets."""
    generator = np.random.default_rng(seed)
    centre = generator.dirichlet(np.full(num_classes, concentration), size=num_examples)
    logits = np.log(centre + 1e-3) + generator.normal(size=(num_models, num_examples, num_classes))
    probs = np.exp(logits) / np.exp(logits).sum(axis=2, keepdims=True)
    return probs, generator.integers(num_classes, size=num_examples)


def test_zero_one_is_what_mlxtend_computes():
    own = ORACLE["zero_one"]
    found = zero_one(np.array(own["predictions"]), np.array(own["targets"]), 3)
    assert [found.loss.mean(), found.bias.mean(), found.variance.mean()] == pytest.approx(
        [own["error"], own["bias"], own["variance"]], abs=1e-12)
    assert 0 < own["variance"] < 1


def test_squared_is_what_mlxtend_computes():
    own = ORACLE["squared"]
    found = squared(np.array(own["predictions"]), np.array(own["targets"]))
    assert [found.loss.mean(), found.bias.mean(), found.variance.mean()] == pytest.approx(
        [own["error"], own["bias"], own["variance"]], abs=1e-12)


@pytest.mark.slow
def test_the_oracle_is_what_mlxtend_says():
    pytest.importorskip("mlxtend", reason="mlxtend is no dependency of dlx; its numbers are kept in tests/oracles")
    made = runpy.run_path(str(ORACLES / "make_bias_variance.py"))["values"]()
    for name in ("zero_one", "squared"):
        for key, value in ORACLE[name].items():
            np.testing.assert_allclose(made[name][key], value, rtol=1e-9)


def test_squared_gives_the_numbers_of_the_example_of_scikit_learn():
    """Single estimator versus bagging: bias-variance decomposition, of scikit-learn's examples, ensemble methods."""
    from sklearn.ensemble import BaggingRegressor
    from sklearn.tree import DecisionTreeRegressor

    generator = np.random.RandomState(0)

    def truth(x):
        return np.exp(-(x**2)) + 1.5 * np.exp(-((x - 2) ** 2))

    def sample(num, num_repeats):
        x = np.sort(generator.rand(num) * 10 - 5)
        noise = [generator.normal(0.0, 0.1, num) for _ in range(num_repeats)]
        return x.reshape(num, 1), truth(x)[:, None] + np.array(noise).T

    rounds = [sample(50, 1) for _ in range(50)]
    inputs, _ = sample(1000, 50)
    printed = {DecisionTreeRegressor: (0.0003, 0.0152), BaggingRegressor: (0.0004, 0.0092)}
    # The example draws on NumPy's global generator of seed 0, trees and all.
    for kind, (bias, variance) in printed.items():
        estimator = kind() if kind is DecisionTreeRegressor else kind(DecisionTreeRegressor())
        estimator.set_params(random_state=generator)
        said = np.stack([estimator.fit(x, y[:, 0]).predict(inputs) for x, y in rounds])
        found = squared(said, truth(inputs[:, 0]))
        assert found.bias.mean() == pytest.approx(bias, abs=6e-5)
        assert found.variance.mean() == pytest.approx(variance, abs=6e-5)


def test_squared_sums_to_the_mean_squared_error():
    generator = np.random.default_rng(1)
    said, targets = generator.normal(size=(4, 30)), generator.normal(size=30)
    found = squared(said, targets)
    np.testing.assert_allclose(found.bias + found.variance, found.loss, atol=1e-12)
    np.testing.assert_allclose(found.loss, np.mean([(row - targets) ** 2 for row in said], axis=0), atol=1e-12)


def test_unbiased_finds_bias_and_variance_of_a_known_distribution():
    generator = np.random.default_rng(2)
    said = 0.5 + 2.0 * generator.normal(size=(3, 200_000))
    found = squared(said, np.zeros(200_000))
    assert found.bias.mean() == pytest.approx(0.25 + 4 / 3, abs=0.03)
    assert unbiased(found, 3) == pytest.approx((0.25, 4.0), abs=0.03)


@pytest.mark.parametrize("num_models", [1, 2, 5])
def test_cross_entropy_sums_to_the_mean_nll(num_models):
    probs, targets = drawn(num_models)
    found = cross_entropy(probs, targets)
    nll = np.mean([[-np.log(own[n, target]) for n, target in enumerate(targets)] for own in probs], axis=0)
    np.testing.assert_allclose(found.bias + found.variance, nll, atol=1e-10)
    np.testing.assert_allclose(found.loss, nll, atol=1e-10)
    assert (found.variance >= -1e-15).all()


def test_cross_entropy_of_probabilities_that_are_written_with_nine_digits_still_adds_up():
    probs, targets = drawn(concentration=0.02)
    written = np.array([[[float(f"{value:.9g}") for value in row] for row in own] for own in probs])
    written[0, 0] = np.eye(4)[0]
    found = cross_entropy(written, targets)
    np.testing.assert_allclose(found.bias + found.variance, found.loss, atol=1e-10)
    assert np.isfinite(found.loss).all()
    assert (found.variance >= -1e-15).all()


def test_cross_entropy_is_divergence_from_the_normalized_geometric_mean():
    probs, targets = drawn(3, 10)
    found = cross_entropy(probs, targets)
    for n, target in enumerate(targets):
        mean = np.prod(probs[:, n], axis=0) ** (1 / 3)
        mean /= mean.sum()
        divergence = np.mean([sum(mean * np.log(mean / own[n])) for own in probs])
        assert (found.bias[n], found.variance[n]) == pytest.approx((-np.log(mean[target]), divergence), abs=1e-12)


def test_zero_one_breaks_ties_towards_the_smallest_class():
    found = zero_one(np.array([[2, 1], [1, 2], [0, 2], [2, 1]]), np.array([2, 1]), 3)
    assert found.main.tolist() == [2, 1]
    assert found.variance.tolist() == [0.5, 0.5]
    assert zero_one(np.array([[2], [0]]), np.array([2]), 3).main.tolist() == [0]


def test_zero_one_error_is_bias_and_net_variance_with_two_classes():
    generator = np.random.default_rng(3)
    targets = generator.integers(2, size=200)
    said = np.where(generator.random((5, 200)) < generator.random(200), targets, 1 - targets)
    found = zero_one(said, targets, 2)
    assert found.loss.mean() == pytest.approx(found.bias.mean() + found.net_variance, abs=1e-12)
    assert found.variance.mean() == pytest.approx(found.unbiased_variance + found.biased_variance, abs=1e-12)


def test_zero_one_error_of_more_classes_is_bias_and_variance_that_lands_on_the_target():
    probs, targets = drawn(5, 300, seed=4)
    said = probs.argmax(axis=2)
    found = zero_one(said, targets, 4)
    right_where_biased = ((said == targets) & (found.bias == 1)).mean()
    assert found.loss.mean() == pytest.approx(found.bias.mean() + found.unbiased_variance - right_where_biased,
                                              abs=1e-12)
