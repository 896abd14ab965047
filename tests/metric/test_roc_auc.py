import math

import numpy as np
import pytest
from scipy.special import softmax
from sklearn.metrics import roc_auc_score

from dlx.core.resamples import stratified_counts
from dlx.core.types import Outcome
from dlx.metric.roc_auc import RocAuc, resampled_roc_auc


def tied_outcome(num_classes, n=60):
    """Whole-numbered scores, so that many are equal, better than chance."""
    generator = np.random.default_rng(num_classes)
    targets = np.arange(n) % num_classes
    return Outcome(generator.integers(1, 6, size=(n, num_classes)) + 3.0 * np.eye(num_classes)[targets], targets)


def normalised(outcome):
    return Outcome(outcome.scores / outcome.scores.sum(axis=1, keepdims=True), outcome.targets)


def area_by_hand(scores, positive):
    """Compare every positive with every negative."""
    difference = scores[positive][:, None] - scores[~positive][None, :]
    return np.mean((difference > 0) + 0.5 * (difference == 0))


def one_vs_rest_by_hand(outcome):
    num_classes = outcome.scores.shape[1]
    labels = [1] if num_classes == 2 else range(num_classes)
    return np.mean([area_by_hand(outcome.scores[:, label], outcome.targets == label) for label in labels])


@pytest.mark.parametrize("num_classes", [2, 3, 5])
def test_roc_auc_equals_comparison_of_all_pairs_and_scikit_learn(num_classes):
    outcome = normalised(tied_outcome(num_classes))
    scores = outcome.scores[:, 1] if num_classes == 2 else outcome.scores
    assert RocAuc().value(outcome) == pytest.approx(one_vs_rest_by_hand(outcome), rel=1e-12)
    twin = roc_auc_score(outcome.targets, scores, multi_class="ovr")
    assert RocAuc().value(outcome) == pytest.approx(twin, rel=1e-12)


@pytest.mark.parametrize("num_classes", [2, 3, 5])
def test_resampled_roc_auc_equals_all_pairs_of_the_repeated_examples_with_ties(num_classes):
    outcome = tied_outcome(num_classes)
    counts = np.concatenate(list(stratified_counts(outcome.targets, 25, 0)), axis=1)
    repeated = [Outcome(*(np.repeat(array, count, axis=0) for array in outcome)) for count in counts.T]
    twin = [one_vs_rest_by_hand(resample) for resample in repeated]
    assert resampled_roc_auc(outcome, [counts[:, :10], counts[:, 10:]]) == pytest.approx(np.array(twin), rel=1e-12)


@pytest.mark.parametrize("signal", [-40.0, -1.0, 0.0, 1.0, 6.0, 40.0])
@pytest.mark.parametrize(("n", "num_classes"), [(2, 2), (41, 2), (200, 7), (1_500, 10)])
def test_roc_auc_equals_scikit_learn_from_the_worst_model_to_the_best(n, num_classes, signal):
    generator = np.random.default_rng(n)
    targets = generator.permutation(np.arange(n) % num_classes)
    scores = softmax(generator.normal(size=(n, num_classes)) + signal * np.eye(num_classes)[targets], axis=1)
    twin = roc_auc_score(targets, scores[:, 1] if num_classes == 2 else scores, multi_class="ovr")
    assert RocAuc().value(Outcome(scores, targets)) == pytest.approx(twin, rel=1e-12, abs=1e-15)


def test_roc_auc_of_equal_scores_is_a_half():
    outcome = Outcome(np.full((30, 3), 1 / 3), np.arange(30) % 3)
    assert RocAuc().value(outcome) == 0.5
    assert RocAuc().interval(outcome, 0.95, 0)[:2] == (0.5, 0.5)


def test_roc_auc_interval_is_a_brute_force_bootstrap_within_classes():
    outcome, generator = normalised(tied_outcome(2, n=120)), np.random.default_rng(5)
    members = [np.flatnonzero(outcome.targets == label) for label in range(2)]
    draws = (np.concatenate([generator.choice(ids, ids.size) for ids in members]) for _ in range(3_000))
    twin = [area_by_hand(outcome.scores[ids, 1], outcome.targets[ids] == 1) for ids in draws]
    found = RocAuc().interval(outcome, 0.9, 0)
    assert found[:2] == pytest.approx(np.quantile(twin, [0.05, 0.95]), abs=0.008)
    assert found[2:] == ("percentile bootstrap, stratified by class", 0.9, 120, 2_000)


@pytest.mark.parametrize(
    ("targets", "num_classes", "absent"), [([1, 1, 1, 1], 2, "0"), ([0, 0, 0, 0], 2, "1"), ([0, 2, 0, 2], 4, "1, 3")]
)
def test_roc_auc_is_nan_where_a_class_is_absent(targets, num_classes, absent):
    outcome = Outcome(np.full((4, num_classes), 1 / num_classes), np.array(targets))
    interval = RocAuc().interval(outcome, 0.95, 0)
    assert math.isnan(RocAuc().value(outcome))
    assert math.isnan(interval.low)
    assert math.isnan(interval.high)
    assert interval[2:] == (f"undefined: the split has no example of class {absent}", 0.95, 4, 0)
