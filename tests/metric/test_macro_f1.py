import numpy as np
import pytest
from sklearn.metrics import f1_score

from dlx.core.resamples import stratified_counts
from dlx.core.types import Outcome
from dlx.metric.macro_f1 import MacroF1, resampled_macro_f1

TARGETS = np.repeat([0, 1, 2], [40, 25, 12])
PREDICTIONS = np.where(np.random.default_rng(0).random(77) < 0.7, TARGETS, np.random.default_rng(1).integers(0, 3, 77))
OUTCOME = Outcome(np.eye(3)[PREDICTIONS], TARGETS)


def macro_f1_by_hand(targets, predictions):
    """From the definition, one class at a time."""
    f1 = []
    for label in np.unique(targets):
        hits = np.sum((targets == label) & (predictions == label))
        f1.append(2 * hits / (np.sum(targets == label) + np.sum(predictions == label)))
    return np.mean(f1)


def brute_force_draws(num_draws):
    """Resample the examples of each class in a loop."""
    generator = np.random.default_rng(2)
    members = [np.flatnonzero(label == TARGETS) for label in range(3)]
    draws = (np.concatenate([generator.choice(ids, ids.size) for ids in members]) for _ in range(num_draws))
    return np.array([macro_f1_by_hand(TARGETS[ids], PREDICTIONS[ids]) for ids in draws])


def test_macro_f1_equals_definition_and_scikit_learn():
    assert MacroF1().value(OUTCOME) == pytest.approx(macro_f1_by_hand(TARGETS, PREDICTIONS), rel=1e-14)
    assert MacroF1().value(OUTCOME) == pytest.approx(f1_score(TARGETS, PREDICTIONS, average="macro"), rel=1e-14)


@pytest.mark.parametrize(("n", "num_classes"), [(1, 2), (5, 2), (300, 10), (40, 30)])
def test_macro_f1_equals_scikit_learn_also_where_classes_are_absent(n, num_classes):
    generator = np.random.default_rng(n)
    targets, scores = generator.integers(0, num_classes, n), generator.random((n, num_classes))
    twin = f1_score(targets, scores.argmax(axis=1), labels=np.unique(targets), average="macro")
    assert MacroF1().value(Outcome(scores, targets)) == pytest.approx(twin, rel=1e-14)


def test_macro_f1_leaves_out_classes_without_targets_but_counts_their_predictions_as_misses():
    outcome = Outcome(np.eye(4)[[0, 0, 3, 1]], np.array([0, 0, 1, 1]))
    assert MacroF1().value(outcome) == pytest.approx((1 + 2 / 3) / 2, rel=1e-14)
    interval = MacroF1().interval(outcome, 0.95, 0)
    assert (interval.low, interval.high) == (0.5, 1.0)


def test_resampled_macro_f1_equals_definition_on_the_repeated_examples():
    counts = np.concatenate(list(stratified_counts(TARGETS, 30, 1)), axis=1)
    twin = [macro_f1_by_hand(np.repeat(TARGETS, count), np.repeat(PREDICTIONS, count)) for count in counts.T]
    assert resampled_macro_f1(OUTCOME, [counts[:, :7], counts[:, 7:]]) == pytest.approx(np.array(twin), rel=1e-14)


def test_macro_f1_interval_is_a_brute_force_bootstrap_within_classes():
    found, twin = MacroF1().interval(OUTCOME, 0.95, 0), brute_force_draws(4_000)
    assert found[:2] == pytest.approx(np.quantile(twin, [0.025, 0.975]), abs=0.008)


def test_resampled_macro_f1_of_predictions_without_variation_equals_the_value():
    targets, predictions = np.repeat([0, 1], [5, 7]), np.repeat([0, 2], [5, 7])
    outcome = Outcome(np.eye(3)[predictions], targets)
    assert resampled_macro_f1(outcome, stratified_counts(targets, 4, 0)).tolist() == [0.5] * 4


def test_macro_f1_interval_says_its_method():
    assert MacroF1().interval(OUTCOME, 0.9, 0)[2:] == ("percentile bootstrap, stratified by class", 0.9, 77, 2_000)
