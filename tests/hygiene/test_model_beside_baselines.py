"""A model beside simple answers, and without leaked rows."""

import numpy as np
import pytest

from dlx.core.intervals import mean
from dlx.core.types import Outcome
from dlx.hygiene.baselines import Baseline
from dlx.hygiene.model import against, without_leaked
from dlx.metric.accuracy import Accuracy


def answers(targets, right, seed):
    wrong = np.random.default_rng(seed).random(len(targets)) >= right
    return Outcome(np.eye(3)[(targets + wrong) % 3], targets)


def test_metrics_without_leaked_rows_are_those_of_the_rest():
    targets = np.arange(10) % 3
    scores = np.eye(3)[targets]
    scores[5:] = np.eye(3)[(targets[5:] + 1) % 3]
    rows = {"val": np.arange(100, 110), "test": np.arange(200, 210)}
    outcomes = {split: Outcome(scores, targets) for split in rows}
    (found,) = without_leaked(outcomes, rows, {"test": np.array([200, 201, 209, 999])}, {"accuracy": Accuracy()})
    assert found == ("test", "accuracy", 0.5, 10, pytest.approx(3 / 7), 7)


def test_where_every_row_leaked_nothing_is_left_to_measure():
    outcome = Outcome(np.eye(3), np.arange(3))
    (found,) = without_leaked({"test": outcome}, {"test": np.arange(3)}, {"test": np.arange(3)},
                              {"accuracy": Accuracy()})
    assert (found.value, found.value_without, found.n_without) == (1.0, None, 0)


@pytest.mark.parametrize(("own", "other", "better"), [(0.9, 0.6, "model"), (0.6, 0.9, "baseline"),
                                                      (0.8, 0.8, "neither")])
def test_better_is_who_the_paired_interval_says(own, other, better):
    targets = np.random.default_rng(0).integers(0, 3, 400)
    model, simple = answers(targets, own, 1), answers(targets, other, 2)
    baseline = Baseline("linear", "logistic regression", 9, 9, {"val": np.arange(400)}, {"val": simple}, {})
    (found,) = against([baseline], {"val": model}, 0.95)
    right = [(item.scores.argmax(axis=1) == targets).astype(float) for item in (model, simple)]
    assert found.better == better
    assert found.difference == pytest.approx(right[0].mean() - right[1].mean())
    assert (found.low, found.high) == mean(right[0] - right[1], 0.95, 0)[:2]


def test_smaller_errors_of_a_regression_are_better():
    draw = np.random.default_rng(3)
    targets = draw.normal(size=300)
    good, poor = (Outcome(targets + size * draw.normal(size=300), targets) for size in (0.1, 1.0))
    baseline = Baseline("linear", "ridge regression", 9, 9, {"test": np.arange(300)}, {"test": poor}, {})
    (found,) = against([baseline], {"test": good}, 0.95)
    assert (found.better, found.measure) == ("model", "rmse")
    assert found.difference < -0.7


def test_a_baseline_that_was_measured_on_some_rows_is_compared_on_those():
    targets = np.random.default_rng(4).integers(0, 3, 100)
    model = Outcome(np.eye(3)[targets], targets)
    places = np.arange(0, 100, 4)
    baseline = Baseline("nearest", "nearest neighbour", 9, 9, {"val": places},
                        {"val": Outcome(np.eye(3)[(targets[places] + 1) % 3], targets[places])}, {})
    (found,) = against([baseline], {"val": model}, 0.95)
    assert (found.n, found.difference, found.better) == (25, 1.0, "model")


def test_the_interval_of_a_regression_is_of_the_difference_that_is_told_and_covers_it():
    draw, covered = np.random.default_rng(5), []
    for _ in range(60):
        targets = draw.normal(size=200)
        noise = draw.normal(size=200)
        model, simple = (Outcome(targets + size * noise + 0.3 * draw.normal(size=200), targets) for size in (0.5, 0.7))
        baseline = Baseline("linear", "ridge regression", 9, 9, {"test": np.arange(200)}, {"test": simple}, {})
        (found,) = against([baseline], {"test": model}, 0.95)
        assert found.low <= found.difference <= found.high
        covered.append(found.low <= np.hypot(0.5, 0.3) - np.hypot(0.7, 0.3) <= found.high)
    assert np.mean(covered) >= 0.9
