"""Power laws beside the numbers that made the data, scipy, and simulation."""

import numpy as np
import pytest
from scipy import stats
from scipy.optimize import curve_fit, nnls

from dlx.measure.power_law import curve, drawn_means, fit, held_out, quantiles

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


def test_fit_agrees_with_scipys_nonnegative_least_squares():
    draw = np.random.default_rng(0)
    weights = draw.uniform(0.2, 3, size=len(SIZES))
    unit = SIZES / np.exp(np.log(SIZES).mean())
    for errors in draw.normal(loc=0.3, scale=0.4, size=(20, len(SIZES))):
        found = fit(SIZES, errors, weights)
        root = np.sqrt(weights)
        for exponent in (found.exponent, 0.1, 0.5, 2.0):
            columns = np.stack([np.ones_like(unit), unit**-exponent], axis=1)
            (floor, scale), rest = nnls(columns * root[:, None], errors * root)
            assert found.error <= rest**2 * (1 + 1e-9) + 1e-12
            if exponent == found.exponent:
                assert found.floor == pytest.approx(floor, abs=1e-9)
                assert found.scale * SIZES**-exponent == pytest.approx(scale * unit**-exponent, abs=1e-9)
                assert found.error == pytest.approx(rest**2)


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


def test_curve_makes_relative_errors_small():
    errors = errors_of(0.05, 2.0, 0.5, noise=0.05)
    means = errors.mean(axis=1)
    assert curve(SIZES, errors, 0, 0).law == fit(SIZES, means, means**-2)


def correlated_errors(repetitions, seed, noise=0.05):
    """Repetitions that are hard or easy at all sizes, beside noise of their own."""
    draw = np.random.default_rng(seed)
    exact = 0.1 + 2 * SIZES**-0.5
    return exact[:, None] * (1 + noise * draw.normal(size=(len(SIZES), repetitions))) + 0.03 * draw.normal(
        size=repetitions)


@pytest.mark.parametrize("repetitions", [2, 4])
def test_intervals_of_curve_and_exponent_cover(repetitions):
    # Of 500 simulations with 400 draws 94.0% to 96.0% were inside, for 2, 3, 4 and 8 repetitions.
    inside = np.zeros(3)
    for seed in range(120):
        found = curve(SIZES, correlated_errors(repetitions, seed), 200, 0)
        sides = [found.interval(100.0, 0.95), found.interval(3200.0, 0.95), found.of("exponent", 0.95)]
        truths = 0.1 + 2 * 100**-0.5, 0.1 + 2 * 3200**-0.5, 0.5
        inside += [low <= truth <= high for (low, high), truth in zip(sides, truths, strict=True)]
    assert (inside >= 0.9 * 120).all()


def test_drawn_means_give_students_interval():
    errors = correlated_errors(4, 0)
    drawn = drawn_means(errors, 200_000, 0)
    for row, found in zip(errors, drawn.T, strict=True):
        expected = stats.t.interval(0.95, 3, loc=row.mean(), scale=stats.sem(row))
        assert quantiles(found, 0.95) == pytest.approx(expected, rel=5e-3)


def test_held_out_size_is_predicted_within_its_interval():
    inside = 0
    for seed in range(120):
        found = held_out(SIZES, correlated_errors(3, seed), 200, 0, 0.95)
        assert found.size == 1600
        assert found.is_inside is (found.low <= found.measured <= found.high)
        inside += found.is_inside
    assert inside >= 0.9 * 120


def test_held_out_size_needs_four_others():
    assert held_out(SIZES[:4], errors_of(0, 1, 0.5)[:4], 10, 0, 0.95) is None


def test_one_repetition_has_no_interval():
    errors = errors_of(0.05, 2.0, 0.5, repetitions=1)
    assert np.isnan(curve(SIZES, errors, 20, 0).of("floor", 0.95)).all()
    found = held_out(SIZES, errors, 20, 0, 0.95)
    assert found.is_inside is None
    assert found.predicted == pytest.approx(found.measured, rel=1e-4)


def test_growth_to_halve_halves_the_error_above_the_floor():
    found = curve(SIZES, errors_of(0.05, 2.0, 0.5, noise=0.01), 100, 0)
    growth, low, high = found.growth_to_halve(0.95)
    now, later = found.law.at(np.array([1600, 1600 * growth])) - found.law.floor
    assert later == pytest.approx(now / 2)
    assert low < growth < high


def test_curve_is_deterministic():
    errors = errors_of(0.05, 2.0, 0.5, noise=0.05)
    first, second = curve(SIZES, errors, 20, 3), curve(SIZES, errors, 20, 3)
    assert first.law == second.law
    assert np.array_equal(first.draws, second.draws)
