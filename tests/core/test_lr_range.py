"""What a learning-rate range test says of curves whose shape is known."""

from __future__ import annotations

import numpy as np
import pytest

from dlx.core.lr_range import Curve, suggest

LRS = np.logspace(-6, 1, 141)
PLACES = np.log10(LRS)


def falling(centre: float) -> np.ndarray:
    """A loss that falls from 2 to 1, fastest at 10^centre."""
    return 1 + 1 / (1 + np.exp(4 * (PLACES - centre)))


def test_smoothing_keeps_a_constant_and_the_inside_of_a_straight_line():
    np.testing.assert_allclose(Curve(LRS, np.full(141, 3.0)).smoothed(), 3.0)
    line = Curve(LRS, 2 - 0.3 * PLACES)
    np.testing.assert_allclose(line.smoothed()[25:-25], line.losses[25:-25], rtol=1e-6)


def test_smoothing_is_by_learning_rate_and_not_by_step():
    often = Curve(np.repeat(LRS, 2), np.repeat(falling(-2.5), 2))
    np.testing.assert_allclose(often.smoothed()[::2], Curve(LRS, falling(-2.5)).smoothed())


@pytest.mark.parametrize("centre", [-4.0, -2.5, -1.0])
def test_suggestions_are_the_steepest_place_and_a_tenth_of_the_minimum(centre):
    # A Gaussian dip of deviation s that is smoothed has deviation sqrt(s² + 0.2²), and is steepest so far from its
    # middle.
    found = suggest(Curve(LRS, 2 - np.exp(-0.5 * ((PLACES - centre) / 0.6) ** 2)))
    assert np.log10(found.steepest) == pytest.approx(centre - np.hypot(0.6, 0.2), abs=0.051)
    assert np.log10(found.below_minimum) == pytest.approx(centre - 1, abs=0.001)


def test_a_steeper_fall_after_the_minimum_is_not_suggested():
    losses = falling(-4) + np.where((PLACES > -2) & (PLACES < 0), 3.0, 0) + 0.5 * (PLACES >= 0)
    assert suggest(Curve(LRS, losses)).steepest == pytest.approx(1e-4, rel=0.13)


@pytest.mark.parametrize("losses", [np.exp(PLACES), [1.0, 0.5], []])
def test_nothing_is_suggested_where_the_loss_never_falls_or_hardly_a_step_was_taken(losses):
    assert suggest(Curve(LRS[: len(losses)], np.array(losses))) is None


def test_a_loss_explodes_above_its_beginning_and_four_minima():
    assert Curve(LRS, falling(-4) + np.where(PLACES > 0, 9.0, 0)).has_exploded()
    assert not Curve(LRS, falling(-4) + np.where(PLACES > 0, 2.0, 0)).has_exploded()
    # Many times a minimum near zero is no explosion below the beginning.
    assert not Curve(LRS, falling(-4) - 0.999 + np.where(PLACES > 0, 0.5, 0)).has_exploded()
