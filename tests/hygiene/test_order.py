"""The order of rows against targets: moments by enumeration, p-values by simulation."""

import itertools

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from dlx.hygiene.order import order


def test_expected_neighbours_are_the_mean_over_all_orders():
    labels = np.array([0, 0, 0, 1, 1, 2])
    shares = [np.mean(np.diff(own) == 0) for own in map(np.array, set(itertools.permutations(labels)))]
    assert order(labels, "classification").expected == pytest.approx(np.mean(shares))


@pytest.mark.parametrize("num_classes", [2, 5])
def test_p_values_of_random_orders_are_uniform(num_classes):
    draw = np.random.default_rng(0)
    labels = np.repeat(np.arange(num_classes), 300 // num_classes)
    p_values = np.array([order(draw.permutation(labels), "classification").p_value for _ in range(2000)])
    for level in (0.01, 0.05, 0.2, 0.5):
        # The statistic is a count, so that p-values come in steps.
        assert np.mean(p_values < level) == pytest.approx(level, rel=0.25, abs=0.01)


def test_order_of_a_regression_looks_at_sides_of_the_median():
    values = np.random.default_rng(1).normal(size=400)
    assert order(values, "regression").p_value > 1e-3
    found = order(np.sort(values), "regression")
    assert found.p_value < 1e-10
    assert (found.equal_neighbours, found.auc) == (pytest.approx(398 / 399), 1.0)


def test_classes_in_turn_are_found_as_well_as_classes_in_blocks():
    assert order(np.tile(np.arange(10), 50), "classification").p_value < 1e-10
    assert order(np.repeat(np.arange(10), 50), "classification").p_value < 1e-10


def test_auc_of_the_row_number_is_scikit_learns():
    labels = np.random.default_rng(2).integers(0, 3, 200)
    areas = [roc_auc_score(labels == own, np.arange(200)) for own in range(3)]
    assert order(labels, "classification").auc == pytest.approx(max(max(own, 1 - own) for own in areas))


@pytest.mark.parametrize(("targets", "kind"), [
    (np.zeros(9, int), "classification"), (np.ones(9), "regression"),
    (np.array([0, 1]), "classification")])
def test_there_is_nothing_to_test_in_equal_targets(targets, kind):
    assert order(targets, kind) is None
