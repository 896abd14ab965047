"""Colored digits: the stated correlations, and what a model that sees colour alone makes of them."""

import numpy as np
import pytest
from scipy.stats import binom
from sklearn.datasets import load_digits
from sklearn.neighbors import NearestCentroid

from dlx.dataset.colored_digits import ColoredDigits, palette

SETTINGS = [(0.9, 0.1), (1.0, 0.0), (0.8, 0.3), (0.0, 1.0)]


def load(correlation=0.9, test_correlation=0.1, test_fraction=0.2, seed=0):
    return ColoredDigits(correlation, test_correlation, test_fraction, seed).load("")


def divided(arrays):
    test = arrays.test_ids
    return np.setdiff1d(np.arange(len(arrays.targets)), test), test


def assert_rate(hits, rate):
    """Fail where so many hits would hardly ever come of the rate."""
    low, high = binom(len(hits), rate).ppf([1e-6, 1 - 1e-6])
    assert low <= hits.sum() <= high


@pytest.mark.parametrize(("correlation", "test_correlation"), SETTINGS)
def test_colored_digits_colour_agrees_as_often_as_stated(correlation, test_correlation):
    arrays = load(correlation, test_correlation)
    agrees = arrays.notes["color"] == arrays.targets
    for rows, rate in zip(divided(arrays), (correlation, test_correlation), strict=True):
        assert_rate(agrees[rows], rate)


def test_colored_digits_other_colours_are_equally_probable():
    colors, targets = [], []
    for seed in range(20):
        arrays = load(correlation=0.5, seed=seed)
        rows = divided(arrays)[0]
        colors.append(arrays.notes["color"][rows])
        targets.append(arrays.targets[rows])
    shift = (np.concatenate(colors) - np.concatenate(targets)) % 10
    for other in range(1, 10):
        assert_rate(shift == other, 0.5 / 9)


def test_colored_digits_are_those_of_scikit_learn_in_one_colour_each():
    arrays, twin = load(), load_digits()
    assert arrays.inputs.dtype == np.float32
    assert arrays.inputs.shape == (1797, 3, 8, 8)
    assert np.array_equal(arrays.targets, twin.target)
    np.testing.assert_allclose(arrays.inputs.max(axis=1) * 16, twin.images, atol=1e-5)
    expected = twin.images[:, None] / 16 * palette()[arrays.notes["color"]][:, :, None, None]
    np.testing.assert_allclose(arrays.inputs, expected, atol=1e-6)
    assert len(np.unique(palette().round(6), axis=0)) == 10


@pytest.mark.parametrize("test_fraction", [0.01, 0.2, 0.99])
def test_colored_digits_test_set_has_its_fraction_of_each_class(test_fraction):
    arrays = load(test_fraction=test_fraction)
    held, all_ = (np.bincount(targets, minlength=10) for targets in (arrays.targets[arrays.test_ids], arrays.targets))
    assert (np.abs(held - test_fraction * all_) <= 0.5).all()
    assert (held > 0).all()
    assert (held < all_).all()
    assert (np.diff(arrays.test_ids) > 0).all()


@pytest.mark.parametrize(("correlation", "test_correlation"), [(0.9, 0.1), (1.0, 0.0), (0.8, 0.3)])
def test_colored_digits_a_model_of_colour_alone_has_the_stated_accuracies(correlation, test_correlation):
    arrays = load(correlation, test_correlation)
    train, test = divided(arrays)
    # Neither place nor brightness of a pixel is left, only the hue of the whole.
    hue = arrays.inputs.sum(axis=(2, 3))
    hue = hue / hue.max(axis=1, keepdims=True)
    model = NearestCentroid(metric="manhattan").fit(hue[train], arrays.targets[train])
    for rows, rate in ((train, correlation), (test, test_correlation)):
        assert_rate(model.predict(hue[rows]) == arrays.targets[rows], rate)


def test_colored_digits_follow_from_their_seed_and_correlations_change_no_test_set():
    one, same, other = load(seed=1), load(seed=1), load(seed=2)
    assert one.inputs.tobytes() == same.inputs.tobytes()
    assert one.notes["color"].tolist() != other.notes["color"].tolist()
    assert one.test_ids.tolist() != other.test_ids.tolist()
    assert load(correlation=0.2, seed=1).test_ids.tolist() == one.test_ids.tolist()
