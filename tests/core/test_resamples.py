"""Resamples as counts: the same draws however they are kept, the right distribution, bounded memory."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from dlx.core import resamples
from dlx.core.random import numpy_generator
from dlx.core.resamples import resampled_means, stratified_counts

TARGETS = np.array([2, 0, 2, 0, 0, 5, 2, 2])


def all_counts(targets, num_draws, seed):
    return np.concatenate(list(stratified_counts(targets, num_draws, seed)), axis=1)


@pytest.mark.parametrize(("n", "num_draws"), [(1, 5), (7, 300), (360, 999), (5_000, 4_000)])
def test_resampled_means_are_those_of_gathered_examples(n, num_draws):
    columns = np.random.default_rng(n).normal(size=(2, n)) + 3
    ids = numpy_generator(5, "bootstrap").integers(0, n, (num_draws, n))
    found = resampled_means(columns, num_draws, 5)
    assert found == pytest.approx(np.stack([column.take(ids).mean(axis=1) for column in columns]), rel=1e-13)


def test_resampled_means_do_not_depend_on_what_is_kept():
    columns = np.random.default_rng(0).normal(size=(2, 5_000))
    assert 5_000 * 3_000 <= resamples.KEPT_BYTES < 5_000 * 4_000
    kept, drawn_again = (resampled_means(columns, num_draws, 1) for num_draws in (3_000, 4_000))
    assert (drawn_again[:, :3_000] == kept).all()


def test_resampled_means_leave_what_is_kept_as_it_is():
    columns = np.random.default_rng(0).normal(size=(1, 40))
    first = resampled_means(columns, 500, 2).copy()
    resampled_means(columns, 500, 2)[:] = 0
    assert (resampled_means(columns, 500, 2) == first).all()


def test_stratified_counts_keep_class_sizes_and_draw_uniformly():
    counts = all_counts(TARGETS, 4_000, 0).astype(np.int64)
    for label, size in ((0, 3), (2, 4), (5, 1)):
        assert (counts[label == TARGETS].sum(axis=0) == size).all()
    assert counts.mean(axis=1) == pytest.approx(np.ones(8), abs=0.06)
    assert counts[1].var() == pytest.approx(3 * (1 / 3) * (2 / 3), rel=0.1)
    assert abs(np.corrcoef(counts[0], counts[1])[0, 1]) < 0.06


def test_stratified_counts_of_classes_of_one_size_are_independent():
    counts = all_counts(np.repeat([0, 1], 30), 4_000, 0)
    assert abs(np.corrcoef(counts[0], counts[30])[0, 1]) < 0.06


def test_stratified_counts_of_many_examples_come_in_blocks():
    targets = np.arange(20_000) % 7
    blocks = list(stratified_counts(targets[:9_000], 2_000, 3))
    assert len(blocks) > 1
    assert sum(block.shape[1] for block in blocks) == 2_000
    assert max(block.nbytes for block in blocks) < 2**20
    for block in blocks[:3]:
        sums = np.stack([block[targets[:9_000] == label].sum(axis=0) for label in range(7)])
        assert (sums == np.bincount(targets[:9_000])[:, None]).all()


def test_resamples_that_are_kept_are_bounded():
    tracemalloc.start()
    for n in (300, 600, 900, 1_200, 1_600):
        resampled_means(np.ones((1, n)), 9_999, 0)
    kept = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert kept < 2.1 * resamples.KEPT_BYTES
