"""What ensembles gain: brute force over subsets, and Jensen's inequality on random predictions."""

import itertools
import math

import numpy as np
import pytest
from test_bias_variance import drawn

from dlx.core.diversity import variance
from dlx.measure.ensemble_gain import gain, loss_by_size, losses, of_target, sizes


def test_loss_by_size_is_the_mean_over_all_subsets():
    probs, targets = drawn(5, 20)
    found = loss_by_size(of_target(probs, targets, "classification"), "classification")
    for size in range(1, 6):
        brute = [np.mean([-math.log(np.mean([probs[s, n, y] for s in subset])) for n, y in enumerate(targets)])
                 for subset in itertools.combinations(range(5), size)]
        assert found[size] == pytest.approx(np.mean(brute), abs=1e-12)
    assert list(found.values()) == sorted(found.values(), reverse=True)


@pytest.mark.parametrize("seed", range(20))
def test_gain_is_never_below_zero(seed):
    generator = np.random.default_rng(seed)
    probs = generator.dirichlet(np.full(6, 10.0 ** generator.uniform(-2, 1)), size=(4, 50))
    values = of_target(probs, generator.integers(6, size=50), "classification")
    assert (gain(values, "classification") >= -1e-12).all()
    assert (gain(generator.normal(size=(4, 50)), "regression") >= -1e-12).all()


def test_gain_is_the_difference_between_one_and_all():
    probs, targets = drawn(6, 40)
    values = of_target(probs, targets, "classification")
    found = loss_by_size(values, "classification")
    assert gain(values, "classification").mean() == pytest.approx(found[1] - found[6], abs=1e-12)


def test_gain_of_a_regression_is_the_variance_among_models():
    generator = np.random.default_rng(0)
    said, targets = generator.normal(size=(5, 30)), generator.normal(size=30)
    np.testing.assert_allclose(gain(of_target(said, targets, "regression"), "regression"), variance(said), atol=1e-12)


def test_gain_of_equal_models_is_zero_and_a_probability_of_zero_is_finite():
    probs = np.tile(np.eye(3)[[0, 1]], (4, 1, 1))
    values = of_target(probs, np.array([0, 2]), "classification")
    np.testing.assert_allclose(gain(values, "classification"), 0, atol=1e-12)
    assert np.isfinite(losses(values, "classification")).all()


def test_loss_by_size_of_many_models_draws_subsets_that_depend_on_the_seed_alone():
    generator = np.random.default_rng(1)
    values = generator.normal(size=(30, 100))
    found = loss_by_size(values, "regression")
    assert found == loss_by_size(values, "regression")
    # Over all subsets of a regression: variance s²/M and the rest of it in closed form.
    spread = values.var(axis=0, ddof=1)
    for size, loss in found.items():
        exact = (values.mean(axis=0) ** 2 + spread * (1 / size - 1 / 30)).mean()
        assert loss == pytest.approx(exact, rel=0.05 if 1 < size < 29 else 1e-9)


def test_sizes_are_few_and_end_with_all():
    assert sizes(4) == (1, 2, 3, 4)
    assert sizes(30) == (*range(1, 11), 13, 16, 20, 25, 30)
    assert len(sizes(400)) <= 30
    assert sizes(400)[-1] == 400
