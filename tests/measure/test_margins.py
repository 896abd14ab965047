"""Margins and their quantiles."""

import numpy as np
import pytest

from dlx.measure.margins import histogram, margins, quantile, tenth_percentile


def test_margins_are_those_of_a_loop():
    draw = np.random.default_rng(0)
    logits, targets = draw.normal(size=(50, 4)), draw.integers(0, 4, 50)
    kept = logits.copy()
    expected = [row[y] - max(value for j, value in enumerate(row) if j != y)
                for row, y in zip(logits.tolist(), targets.tolist(), strict=True)]
    np.testing.assert_allclose(margins(logits, targets), expected)
    np.testing.assert_array_equal(logits, kept)
    assert ((margins(logits, targets) < 0) == (logits.argmax(axis=1) != targets)).all()


def test_margins_of_two_classes_are_differences_and_those_of_log_probabilities():
    logits = np.array([[1.0, 3.0], [2.0, -1.0]])
    assert margins(logits, np.array([0, 0])).tolist() == [-2.0, 3.0]
    shifted = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    np.testing.assert_allclose(margins(shifted, np.array([0, 0])), [-2.0, 3.0])


@pytest.mark.parametrize(("count", "index"), [(1, 1), (9, 1), (10, 1), (19, 1), (20, 2), (1437, 143)])
def test_tenth_percentile_is_the_smallest_of_rank_a_tenth(count, index):
    values = np.random.default_rng(1).permutation(np.arange(1.0, count + 1))
    assert tenth_percentile(values) == index


def test_quantile_is_the_nearest_value():
    values = np.array([5.0, 1.0, 3.0, 2.0, 4.0])
    assert [quantile(values, level) for level in (0.0, 0.1, 0.2, 0.5, 0.9, 1.0)] == [1.0, 1.0, 2.0, 3.0, 5.0, 5.0]
    assert quantile(np.array([1.0, 2.0]), 0.5) == 2.0


def test_histogram_counts_every_value_once_in_shared_bins():
    edges, counts = histogram({"train_eval": np.array([0.0, 1.0, 2.0]), "test": np.array([4.0])}, 4)
    assert edges == [0.0, 1.0, 2.0, 3.0, 4.0]
    assert counts == {"train_eval": [1, 1, 1, 0], "test": [0, 0, 0, 1]}
