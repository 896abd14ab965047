import numpy as np
import pytest
import torch
from sklearn.metrics import accuracy_score

from dlx.core.intervals import proportion
from dlx.core.types import Outcome
from dlx.metric.accuracy import Accuracy

TIED = Outcome(np.array([[0.5, 0.5, 0.0], [0.0, 0.5, 0.5], [0.2, 0.2, 0.6], [0.6, 0.2, 0.2]]), np.array([0, 2, 2, 1]))


def test_accuracy_counts_hits_and_gives_ties_to_the_first_class():
    assert Accuracy().value(TIED) == 0.5
    assert Accuracy().per_example(torch.tensor(TIED.scores), torch.tensor(TIED.targets)).tolist() == [1, 0, 1, 0]


def test_accuracy_equals_scikit_learn():
    outcome = Outcome(np.random.default_rng(0).random((230, 6)), np.arange(230) % 6)
    twin = accuracy_score(outcome.targets, outcome.scores.argmax(axis=1))
    assert Accuracy().value(outcome) == pytest.approx(twin, rel=1e-15)


@pytest.mark.parametrize(("n", "num_wrong"), [(50, 3), (400, 3), (400, 0), (400, 400)])
def test_accuracy_interval_is_that_of_its_proportion(n, num_wrong):
    targets = np.zeros(n, dtype=np.int64)
    predictions = (np.arange(n) < num_wrong).astype(np.int64)
    found = Accuracy().interval(Outcome(np.eye(2)[predictions], targets), 0.9, 0)
    assert found == proportion(n - num_wrong, n, 0.9)
