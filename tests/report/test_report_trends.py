"""Shapes of curves, by hand."""

import numpy as np
import pytest

from dlx.report.diagnosing.trends import late_fall, rise_from_minimum, wobble


def test_rise_from_minimum_averages_up_to_three_last_epochs():
    assert rise_from_minimum(np.array([5.0, 1.0, 2.0, 3.0, 4.0])) == (1, 1.0, 3.0, 2.0)
    assert rise_from_minimum(np.array([5.0, 2.0, 3.0])) == (1, 2.0, 3.0, 0.5)


def test_rise_from_minimum_at_the_end_is_zero():
    assert rise_from_minimum(np.array([5.0, 4.0])) == (1, 4.0, 4.0, 0.0)
    assert rise_from_minimum(np.array([5.0])) == (0, 5.0, 5.0, 0.0)


def test_late_fall_is_over_the_last_quarter():
    fall = late_fall(np.array([10.0, 9.0, 8.0, 7.0, 6.0, 5.0, 4.0, 2.0]))
    assert fall == (2, 5.0, 2.0, pytest.approx(3 / 8), pytest.approx(3 / 5), 1.0)


def test_late_fall_of_a_constant_is_zero():
    assert late_fall(np.array([1.0, 1.0])) == (1, 1.0, 1.0, 0.0, 0.0, 0.0)


def test_wobble_counts_rises_of_the_last_half():
    found = wobble(np.array([10.0, 5.0, 4.0, 6.0, 4.0, 7.0]))
    assert (found.num_steps, found.num_rises, found.size) == (3, 2, 2.5)
    assert found.of_range == pytest.approx(2.5 / 6)
    assert found.of_level == pytest.approx(2.5 / 5)


def test_wobble_of_a_falling_curve_is_zero():
    assert wobble(np.array([4.0, 3.0, 2.0, 1.0])) == (2, 0, 0.0, 0.0, 0.0)
