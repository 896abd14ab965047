import numpy as np
import pytest
import torch
from sklearn.metrics import top_k_accuracy_score

from dlx.core.intervals import proportion
from dlx.core.types import Outcome
from dlx.metric.accuracy import Accuracy
from dlx.metric.top_k import TopK


def brute_force(outcome, k):
    """Rank by (score, class), the last class first among equals."""
    ranked = [sorted(range(len(row)), key=lambda c, row=row: (row[c], c))[-k:] for row in outcome.scores]
    return np.array([target in best for target, best in zip(outcome.targets, ranked, strict=True)])


def coarse_outcome(num_classes):
    """Scores with many ties."""
    generator = np.random.default_rng(num_classes)
    scores = generator.integers(1, 4, size=(150, num_classes)).astype(np.float64)
    return Outcome(scores / scores.sum(axis=1, keepdims=True), generator.integers(0, num_classes, size=150))


@pytest.mark.parametrize("num_classes", [2, 3, 10])
@pytest.mark.parametrize("k", [1, 2, 3, 9, 10, 50])
def test_top_k_equals_brute_force_with_ties_whole_and_streamed(num_classes, k):
    outcome = coarse_outcome(num_classes)
    hits = brute_force(outcome, k)
    streamed = TopK(k).per_example(torch.tensor(outcome.scores), torch.tensor(outcome.targets))
    assert TopK(k).value(outcome) == pytest.approx(hits.mean(), abs=1e-15)
    assert streamed.tolist() == hits.tolist()


@pytest.mark.parametrize("k", [1, 2, 4])
@pytest.mark.parametrize("num_classes", [5, 10])
def test_top_k_equals_scikit_learn_with_ties(num_classes, k):
    outcome = coarse_outcome(num_classes)
    twin = top_k_accuracy_score(outcome.targets, outcome.scores, k=k, labels=np.arange(num_classes))
    assert TopK(k).value(outcome) == pytest.approx(twin, rel=1e-15)


@pytest.mark.parametrize("k", [3, 4, 1_000])
def test_top_k_is_one_where_k_reaches_the_number_of_classes(k):
    assert TopK(k).value(coarse_outcome(3)) == 1.0


def test_top_1_is_accuracy_where_nothing_is_tied():
    scores = np.random.default_rng(0).dirichlet(np.ones(5), size=90)
    outcome = Outcome(scores, np.arange(90) % 5)
    assert TopK(1).value(outcome) == Accuracy().value(outcome)


def test_top_k_interval_is_that_of_its_proportion():
    outcome = coarse_outcome(10)
    assert TopK(3).interval(outcome, 0.9, 0) == proportion(int(brute_force(outcome, 3).sum()), 150, 0.9)
