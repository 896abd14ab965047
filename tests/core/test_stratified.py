"""Stratified cuts, against scikit-learn's."""

import numpy as np
import pytest
from sklearn.model_selection import train_test_split

from dlx.core.division import stratified


@pytest.mark.parametrize("seed", range(40))
def test_stratified_cuts_off_the_rows_that_scikit_learn_cuts_off(seed):
    draw = np.random.default_rng(seed)
    num_classes, number = int(draw.integers(2, 12)), int(draw.integers(60, 2000))
    labels = np.concatenate([np.repeat(np.arange(num_classes), 2), draw.integers(0, num_classes, number)])
    labels = draw.permutation(labels) * int(draw.integers(1, 3)) + int(draw.integers(0, 2))
    rows = np.sort(draw.choice(5000, len(labels), replace=False))
    size = int(draw.integers(num_classes, len(labels) - num_classes))
    rest, taken = stratified(rows, labels, size, seed)
    twin_rest, twin_taken = train_test_split(rows, test_size=size, random_state=seed, stratify=labels)
    assert np.array_equal(rest, twin_rest)
    assert np.array_equal(taken, twin_taken)
    assert (rest.dtype, taken.dtype) == (rows.dtype, rows.dtype)


def test_stratified_keeps_proportions_of_many_classes():
    labels = np.arange(70_000).repeat(2)
    rest, taken = stratified(np.arange(140_000), labels, 70_000, 3)
    assert np.array_equal(np.sort(np.concatenate([rest, taken])), np.arange(140_000))
    twin = train_test_split(np.arange(140_000), test_size=70_000, random_state=3, stratify=labels)[1]
    assert np.array_equal(taken, twin)
