"""How much models differ, against loops over pairs of models."""

from __future__ import annotations

from itertools import combinations, permutations

import numpy as np
import pytest
from scipy.stats import entropy

from dlx.core import diversity

DRAW = np.random.default_rng(0)
PROBS = DRAW.dirichlet(np.full(4, 0.5), size=(5, 30))


def test_disagreement_is_the_share_of_pairs_that_name_different_classes():
    classes = PROBS.argmax(axis=2)
    pairs = [classes[one] != classes[other] for one, other in combinations(range(5), 2)]
    np.testing.assert_allclose(diversity.disagreement(PROBS), np.mean(pairs, axis=0))


def test_pairwise_kl_is_the_mean_over_ordered_pairs_of_scipys_divergence():
    pairs = [entropy(PROBS[one], PROBS[other], axis=1) for one, other in permutations(range(5), 2)]
    np.testing.assert_allclose(diversity.pairwise_kl(PROBS), np.mean(pairs, axis=0), rtol=1e-9)


def test_variance_is_what_the_ensembles_squared_error_lies_below_its_members():
    predictions, targets = DRAW.normal(size=(6, 40)), DRAW.normal(size=40)
    members = ((predictions - targets) ** 2).mean()
    ensemble = ((predictions.mean(axis=0) - targets) ** 2).mean()
    assert members - ensemble == pytest.approx(diversity.variance(predictions).mean(), rel=1e-12)


def test_equal_models_do_not_differ_and_opposed_ones_differ_finitely():
    same = np.repeat(PROBS[:1], 3, axis=0)
    opposed = np.array([[[1.0, 0.0]], [[0.0, 1.0]]])
    for name, values in diversity.per_example(same, "classification").items():
        np.testing.assert_allclose(values, 0, atol=1e-14, err_msg=name)
    assert diversity.disagreement(opposed).tolist() == [1.0]
    assert diversity.pairwise_kl(opposed)[0] == pytest.approx(36.04, abs=0.01)


def test_labels_are_classifications_into_two_of_which_the_mean_is_taken():
    probs = DRAW.uniform(size=(4, 12, 3))
    found = diversity.per_example(probs, "multilabel")
    for label in range(3):
        two = np.stack([1 - probs[:, :, label], probs[:, :, label]], axis=2)
        for name, values in diversity.per_example(two, "classification").items():
            found[name] = found[name] - values / 3
    for values in found.values():
        np.testing.assert_allclose(values, 0, atol=1e-12)
