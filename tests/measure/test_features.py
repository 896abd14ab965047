"""Ranks, dimensions and similarities of features beside closed forms and brute force."""

import math

import numpy as np
import pytest

from dlx.measure.features import (
    debiased_cka,
    effective_rank,
    gram,
    linear_cka,
    participation_ratio,
    spectrum,
    stable_rank,
    two_nearest,
    two_nn,
)


def draw(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def orthogonal(n, values, seed=0):
    """Centred features [n, k] whose covariance has these eigenvalues."""
    own = draw(n, len(values), seed=seed)
    basis, _ = np.linalg.qr(own - own.mean(axis=0))
    return basis * np.sqrt(n * np.array(values))


@pytest.mark.parametrize(("n", "d"), [(50, 7), (7, 50), (20, 20)])
def test_spectrum_is_that_of_the_covariance(n, d):
    features = draw(n, d) + 3
    expected = np.linalg.eigvalsh(np.cov(features.T, bias=True))[::-1][: min(n, d)]
    assert spectrum(features) == pytest.approx(expected.clip(min=0), abs=1e-10)


def test_ranks_of_equal_eigenvalues_are_their_number():
    values = spectrum(orthogonal(60, [2.0] * 5))
    assert [effective_rank(values), participation_ratio(values), stable_rank(values)] == pytest.approx([5.0] * 3)


def test_ranks_of_two_eigenvalues_are_closed_forms():
    values = spectrum(orthogonal(60, [9.0, 1.0]))
    p = np.array([3 / 4, 1 / 4])
    assert effective_rank(values) == pytest.approx(math.exp(-(p * np.log(p)).sum()))
    assert participation_ratio(values) == pytest.approx(100 / 82)
    assert stable_rank(values) == pytest.approx(10 / 9)


def test_ranks_do_not_change_with_shift_rotation_and_scale():
    features = draw(80, 6) * [5, 3, 2, 1, 1, 0.5]
    turned = 7 * features @ np.linalg.qr(draw(6, 6, seed=1))[0] + draw(6, seed=2)
    for measure in (effective_rank, participation_ratio, stable_rank):
        assert measure(spectrum(turned)) == pytest.approx(measure(spectrum(features)))
    assert two_nn(turned) == pytest.approx(two_nn(features))


def test_ranks_of_constant_features_are_undefined():
    values = spectrum(np.ones((10, 4)))
    assert all(math.isnan(measure(values)) for measure in (effective_rank, participation_ratio, stable_rank))
    assert math.isnan(two_nn(np.ones((10, 4))))


def test_two_nearest_equals_a_loop_and_leaves_out_equal_points():
    points = draw(30, 3)
    expected = []
    for own in points:
        distances = sorted(np.linalg.norm(own - other) for other in points if other is not own)
        distances = [value for value in distances if value > 0]
        expected.append(distances[1] / distances[0])
    assert sorted(two_nearest(points)) == pytest.approx(sorted(expected))
    assert sorted(two_nearest(np.concatenate([points, points[:5]]))) == pytest.approx(sorted(expected))


@pytest.mark.parametrize("dimension", [1, 2, 5])
def test_two_nn_finds_the_dimension_of_a_cube_within_its_error(dimension):
    points = np.random.default_rng(dimension).random((2000, dimension)) @ draw(dimension, 12, seed=3)
    # The estimator is that of an exponential rate: its relative standard error is 1 / √N.
    assert two_nn(points) == pytest.approx(dimension, rel=4 / math.sqrt(2000) + 0.03 * dimension)


def test_cka_is_that_of_cross_covariances():
    one, other = draw(40, 5), draw(40, 9, seed=1)
    a, b = (own - own.mean(axis=0) for own in (one, other))
    expected = np.linalg.norm(b.T @ a) ** 2 / (np.linalg.norm(a.T @ a) * np.linalg.norm(b.T @ b))
    assert linear_cka(gram(one), gram(other)) == pytest.approx(expected)


def test_cka_of_rotated_features_is_one_and_of_unrelated_ones_near_zero():
    one = draw(60, 40)
    turned = 3 * one @ np.linalg.qr(draw(40, 40, seed=1))[0] + 5
    assert linear_cka(gram(one), gram(turned)) == pytest.approx(1)
    assert debiased_cka(gram(one), gram(turned)) == pytest.approx(1)
    found = [debiased_cka(gram(draw(60, 40, seed=2 * seed)), gram(draw(60, 40, seed=2 * seed + 1)))
             for seed in range(100)]
    # Plain CKA of these is about 0.4.
    assert abs(np.mean(found)) < 4 * np.std(found) / 10
    assert linear_cka(gram(one), gram(draw(60, 40, seed=9))) > 0.3


def test_debiased_cka_uses_the_unbiased_hsic_of_a_loop():
    k, m = gram(draw(7, 3)), gram(draw(7, 4, seed=1))
    np.fill_diagonal(k, 0)
    np.fill_diagonal(m, 0)

    def hsic(a, b):
        n, one = 7, np.ones(7)
        return (np.trace(a @ b) + one @ a @ one * (one @ b @ one) / ((n - 1) * (n - 2))
                - 2 / (n - 2) * (one @ a @ b @ one)) / (n * (n - 3))

    assert debiased_cka(k, m) == pytest.approx(hsic(k, m) / math.sqrt(hsic(k, k) * hsic(m, m)))
