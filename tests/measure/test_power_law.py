"""Power laws beside the numbers that made the data, scipy, and simulation."""

import numpy as np
import pytest
from scipy.optimize import curve_fit

from dlx.measure.power_law import curve, fit, held_out

SIZES = np.array([25.0, 50, 100, 200, 400, 800, 1600])


def errors_of(floor, scale, exponent, repetitions=5, noise=0.0, seed=0):
    draw = np.random.default_rng(seed)
    exact = floor + scale * SIZES**-exponent
    # Noise shrinks as errors do.
    return exact[:, None] * (1 + noise * draw.normal(size=(len(SIZES), repetitions)))


@pytest.mark.parametrize(("floor", "scale", "exponent"), [(0.05, 2.0, 0.5), (0.0, 1.3, 0.3), (0.2, 30.0, 1.5),
                                                          (0.01, 0.4, 0.08)])
def test_fit_recovers_the_exponent_of_exact_data(floor, scale, exponent):
    found = fit(SIZES, errors_of(floor, scale, exponent)[:, 0])
    assert found.exponent == pytest.approx(exponent, rel=1e-3)
    assert found.floor == pytest.approx(floor, abs=2e-4)
    assert found.at(SIZES) == pytest.approx(errors_of(floor, scale, exponent)[:, 0], rel=1e-5)


def test_fit_agrees_with_scipys_nonlinear_least_squares():
    errors = errors_of(0.05, 2.0, 0.5, noise=0.02)[:, 0]
    weights = np.linspace(1, 3, len(SIZES))
    expected, _ = curve_fit(lambda n, c, a, b: c + a * n**-b, SIZES, errors, p0=(0.04, 2, 0.5),
                            sigma=1 / np.sqrt(weights), bounds=(0, [1, 100, 5]))
    found = fit(SIZES, errors, weights)
    assert [found.floor, found.scale, found.exponent] == pytest.approx(expected, rel=1e-3)


def test_fit_without_floor_is_a_power_alone():
    found = fit(SIZES, 3 * SIZES**-0.4, with_floor=False)
    assert (found.floor, found.scale, found.exponent) == (0, pytest.approx(3), pytest.approx(0.4))


def test_fit_keeps_its_numbers_from_falling_below_zero():
    found = fit(SIZES, 0.1 + 0.001 * SIZES)
    assert found.floor >= 0
    assert found.scale >= 0


def test_fit_of_too_few_sizes_is_refused():
    with pytest.raises(ValueError, match="2 sizes cannot tell 3 numbers"):
        fit(SIZES[:2], np.ones(2))


def test_curve_weighs_a_noisy_size_less():
    errors = errors_of(0.05, 2.0, 0.5, noise=0.01, repetitions=8)
    errors[0] = 0.05 + 2 * SIZES[0] ** -0.5 + np.linspace(-0.2, 0.9, 8)
    weighted, plain = curve(SIZES, errors, 0, 0).law, fit(SIZES, errors.mean(axis=1))
    assert abs(weighted.exponent - 0.5) < abs(plain.exponent - 0.5) / 3


def test_interval_of_the_exponent_covers():
    inside = 0
    for seed in range(60):
        low, high = curve(SIZES, errors_of(0.0, 2.0, 0.5, noise=0.05, repetitions=8, seed=seed), 150, 0).of("exponent",
                                                                                                          0.95)
        inside += low <= 0.5 <= high
    # A floor that cannot fall below 0 moves the exponent up: the bootstrap with eight repetitions is a little narrow.
    assert inside >= 0.85 * 60


def test_held_out_size_is_predicted_within_its_interval():
    inside = 0
    for seed in range(60):
        found = held_out(SIZES, errors_of(0.05, 2.0, 0.5, noise=0.05, repetitions=8, seed=seed), 150, 0, 0.95)
        assert found.size == 1600
        inside += found.low <= found.measured <= found.high
    assert inside >= 0.9 * 60


def test_held_out_size_needs_four_others():
    assert held_out(SIZES[:4], errors_of(0, 1, 0.5)[:4], 10, 0, 0.95) is None


def test_curve_is_deterministic():
    errors = errors_of(0.05, 2.0, 0.5, noise=0.05)
    assert curve(SIZES, errors, 20, 3).law == curve(SIZES, errors, 20, 3).law
    assert curve(SIZES, errors, 20, 3).draws == curve(SIZES, errors, 20, 3).draws
