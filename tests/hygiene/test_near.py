"""Near duplicates, against every pair measured and against scikit-learn's neighbours."""

import math

import numpy as np
import pytest
import torch
from scipy.spatial.distance import pdist, squareform
from scipy.stats import binom
from sklearn.neighbors import NearestNeighbors

from dlx.hygiene.data import Count
from dlx.hygiene.features import Features
from dlx.hygiene.near import SHARE_OF_MEDIAN, chance_of, close_pairs, is_beyond, near_duplicates, scale_of


def features(**splits):
    start, rows = 0, {}
    for name, own in splits.items():
        rows[name] = np.arange(start, start + len(own))
        start += len(own)
    values = {name: np.asarray(own, np.float32) for name, own in splits.items()}
    sizes = {name: len(own) for name, own in splits.items()}
    targets = {name: np.zeros(len(own)) for name, own in splits.items()}
    return Features(values, {name: np.arange(size) for name, size in sizes.items()}, rows, targets, sizes, "inputs")


@pytest.mark.parametrize(("num_rows", "width", "share"), [(700, 2, 0.02), (900, 40, 0.7), (300, 1, 0.01), (5, 3, 2.0)])
def test_close_pairs_are_those_of_every_pair_measured(num_rows, width, share):
    values = np.random.default_rng(0).normal(size=(num_rows, width)).astype(np.float32)
    distances = squareform(pdist(values.astype(np.float64)))
    threshold = share * math.sqrt(2 * width) * 0.9
    wanted = {(i, j) for i, j in zip(*np.nonzero(distances < threshold), strict=True) if i < j}
    found = close_pairs(torch.from_numpy(values), threshold)
    assert found.is_complete
    assert set(zip(found.first.tolist(), found.second.tolist(), strict=True)) == wanted
    assert wanted, "the case has close pairs"
    np.testing.assert_allclose(found.distances, distances[found.first, found.second], rtol=1e-4)


def test_close_pairs_lie_far_from_the_origin_too():
    values = np.random.default_rng(1).normal(size=(400, 20)).astype(np.float32)
    near = values[:10] + np.float32(1e-3)
    found = close_pairs(torch.from_numpy(np.concatenate([values, near]) + np.float32(100)), 0.1)
    assert set(zip(found.first.tolist(), found.second.tolist(), strict=True)) == {(at, 400 + at) for at in range(10)}


def test_scale_is_the_median_of_scikit_learns_nearest():
    values = np.random.default_rng(2).normal(size=(200, 8)).astype(np.float32)
    scale = scale_of(torch.from_numpy(values), torch.arange(200))
    distances = NearestNeighbors(n_neighbors=2).fit(values).kneighbors(values)[0][:, 1]
    assert scale.median == pytest.approx(np.sort(distances)[99], rel=1e-4)


@pytest.mark.parametrize("dimension", [1, 2, 5])
def test_dimension_is_that_of_evenly_spread_rows_in_whatever_space(dimension):
    draw = np.random.default_rng(3)
    flat = draw.uniform(size=(4000, dimension))
    turned = flat @ np.linalg.qr(draw.normal(size=(12, dimension)))[0].T
    scale = scale_of(torch.from_numpy(turned.astype(np.float32)), torch.arange(4000))
    assert scale.dimension == pytest.approx(dimension, rel=0.25)


@pytest.mark.parametrize("dimension", [1, 2])
def test_chance_is_the_share_of_evenly_spread_rows_that_lie_as_close(dimension):
    values = np.random.default_rng(4).uniform(size=(20_000, dimension))
    nearest = NearestNeighbors(n_neighbors=2).fit(values).kneighbors(values)[0][:, 1]
    share = np.mean(nearest < SHARE_OF_MEDIAN * np.median(nearest))
    assert chance_of(dimension) == pytest.approx(share, rel=0.15)


def test_beyond_chance_is_a_binomial_tail():
    for count in (8, 12, 20, 30):
        tail = binom.sf(count - 1, 1000, 0.01)
        assert is_beyond(Count(count, 1000), 0.01) == (tail < 1e-3)
    assert not is_beyond(Count(0, 1000), 0.0)


def test_planted_near_copies_are_found_across_splits_and_leave_the_rest_alone():
    draw = np.random.default_rng(5)
    train, test = draw.normal(size=(500, 30)), draw.normal(size=(100, 30))
    test[:7] = train[:7] + 0.01 * draw.normal(size=(7, 30))
    found, leaked = near_duplicates(features(train=train, test=test), np.arange(600))
    assert found.across["test in train"].found == 7
    assert leaked["test"].tolist() == list(range(500, 507))
    assert found.beyond_chance == ("test in train",)
    assert {pair[:2] for pair in found.pairs["test in train"]} == {(500 + at, at) for at in range(7)}


def test_equal_rows_are_no_near_duplicates():
    values = np.random.default_rng(6).normal(size=(300, 10))
    groups = np.arange(350)
    groups[300:] = np.arange(50)
    found, leaked = near_duplicates(features(train=values, test=values[:50]), groups)
    assert (found.across["test in train"].found, leaked["test"].size) == (0, 0)
    assert found.median > 1


def test_rows_that_lie_close_by_chance_in_a_plane_are_not_called_leaked():
    draw = np.random.default_rng(7)
    found, leaked = near_duplicates(features(train=draw.uniform(size=(3000, 2)), test=draw.uniform(size=(1000, 2))),
                                    np.arange(4000))
    assert found.across["test in train"].found > 0
    assert found.beyond_chance == ()
    assert leaked["test"].size == 0


@pytest.mark.parametrize("values", [np.zeros((50, 4)), np.zeros((2, 1)), np.arange(3.0)[:, None]])
def test_data_without_distances_has_no_near_duplicates(values):
    found, _ = near_duplicates(features(train=values, test=values[:1]), np.arange(len(values) + 1))
    assert all(math.isfinite(own) for own in (found.median, found.threshold, found.chance))
