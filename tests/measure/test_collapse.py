"""Neural collapse beside its definition, where it is complete, and where there is none."""

import numpy as np
import pytest

from dlx.measure.collapse import (
    angle_deviation,
    centre_disagreement,
    classes_of,
    norm_variation,
    self_duality,
    within_to_between,
)

C, D, N = 4, 6, 120
TARGETS = np.arange(N) % C


def simplex():
    """C unit vectors in D dimensions with equal angles."""
    corners = np.eye(C) - 1 / C
    return np.pad(corners, ((0, 0), (0, D - C))) / np.linalg.norm(corners[0])


def features(spread, seed=0):
    return simplex()[TARGETS] * 3 + 2 + spread * np.random.default_rng(seed).normal(size=(N, D))


def test_collapsed_features_have_no_spread_equal_angles_and_the_heads_directions():
    own = classes_of(features(0), TARGETS, C)
    assert within_to_between(own) == pytest.approx(0, abs=1e-12)
    assert norm_variation(own.centred) == pytest.approx(0, abs=1e-12)
    assert angle_deviation(own.centred) == pytest.approx(0, abs=1e-12)
    assert self_duality(5 * simplex(), own) == pytest.approx(0, abs=1e-12)
    assert centre_disagreement(features(0), TARGETS, own.means) == 0


def test_within_to_between_is_the_trace_with_the_pseudo_inverse():
    values = features(1.5)
    own = classes_of(values, TARGETS, C)
    means = np.stack([values[number == TARGETS].mean(axis=0) for number in range(C)])
    centre = means.mean(axis=0)
    between = sum(np.outer(mean - centre, mean - centre) for mean in means) / C
    within = sum(np.outer(value - means[target], value - means[target])
                 for value, target in zip(values, TARGETS, strict=True)) / N
    assert within_to_between(own) == pytest.approx(np.trace(within @ np.linalg.pinv(between)) / C)


def test_angles_and_lengths_equal_loops():
    rows = np.random.default_rng(1).normal(size=(C, D))
    cosines = [rows[i] @ rows[j] / np.linalg.norm(rows[i]) / np.linalg.norm(rows[j])
               for i in range(C) for j in range(i)]
    assert angle_deviation(rows) == pytest.approx(np.mean([abs(value + 1 / (C - 1)) for value in cosines]))
    lengths = [np.linalg.norm(row) for row in rows]
    assert norm_variation(rows) == pytest.approx(np.std(lengths) / np.mean(lengths))


def test_centre_disagreement_counts_what_a_loop_counts():
    values, predictions = features(2.0), np.random.default_rng(2).integers(C, size=N)
    means = classes_of(values, TARGETS, C).means
    wrong = sum(int(np.argmin(np.linalg.norm(value - means, axis=1))) != said
                for value, said in zip(values, predictions, strict=True))
    assert centre_disagreement(values, predictions, means) == wrong / N


def test_collapse_of_equal_means_is_undefined():
    own = classes_of(np.ones((N, D)), TARGETS, C)
    assert np.isnan(within_to_between(own))
    assert np.isnan(norm_variation(own.centred))
    assert np.isnan(angle_deviation(own.centred))
    assert np.isnan(self_duality(simplex(), own))
