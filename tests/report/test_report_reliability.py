"""Calibration against hand-computed numbers."""

import numpy as np
import pytest

from dlx.report.reliability import bin_by_confidence, expected_calibration_error


def two_classes(*confidences):
    return np.array([[value, 1 - value] for value in confidences])


def test_expected_calibration_error_by_hand():
    # Of 15 bins, 0.62 and 0.64 share (9/15, 10/15], 0.95 and 1.0 share (14/15, 1].
    bins = bin_by_confidence(two_classes(0.62, 0.64, 0.95, 1.0), np.array([True, False, True, True]))
    assert bins.counts.tolist() == [0] * 9 + [2] + [0] * 4 + [2]
    assert expected_calibration_error(bins) == pytest.approx(0.5 * abs(0.5 - 0.63) + 0.5 * abs(1.0 - 0.975))


def test_bins_are_open_below_and_closed_above():
    bins = bin_by_confidence(two_classes(0.6, 0.6 + 1e-9, 0.8), np.array([True] * 3), num_bins=5)
    assert bins.counts.tolist() == [0, 0, 1, 2, 0]


def test_a_confidence_of_one_is_in_the_last_bin_and_perfect_there():
    bins = bin_by_confidence(two_classes(1.0, 1.0), np.array([True, True]))
    assert bins.counts[-1] == 2
    assert expected_calibration_error(bins) == 0.0


def test_expected_calibration_error_equals_a_brute_force_loop():
    generator = np.random.default_rng(0)
    probs = generator.dirichlet(np.ones(4) * 0.3, size=500)
    is_right = generator.random(500) < 0.6
    confidence, expected = probs.max(axis=1), 0.0
    for number in range(15):
        inside = (confidence > number / 15) & (confidence <= (number + 1) / 15)
        if inside.any():
            expected += inside.mean() * abs(is_right[inside].mean() - confidence[inside].mean())
    assert expected_calibration_error(bin_by_confidence(probs, is_right)) == pytest.approx(expected)
