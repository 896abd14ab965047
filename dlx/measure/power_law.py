"""Learning curves: how an error falls with the number of examples. K sizes, S repetitions, D draws, G exponents."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

# Exponents that are looked for; real learning curves have 0.05 to 1 (Hestness et al. 2017).
EXPONENTS = np.geomspace(1e-2, 5.0, 80)
# More than the three numbers that are fitted, so that a fit can miss.
FEWEST_SIZES = 4
# Between the neighbours of the best exponent, each time 4 times closer: to 1e-6 of it.
NUM_ZOOMS, NUM_BETWEEN = 8, 9


class PowerLaw(NamedTuple):
    """e(n) = floor + scale · n^(−exponent), all at least 0; error: the weighted sum of squares that is left."""

    floor: float
    scale: float
    exponent: float
    error: float

    def at(self, sizes: np.ndarray | float) -> np.ndarray:
        """Return the errors at sizes [K]."""
        return np.asarray(self.floor + self.scale * np.asarray(sizes, float) ** -self.exponent)


class PowerLaws(NamedTuple):
    """Many of them, [D] each."""

    floor: np.ndarray
    scale: np.ndarray
    exponent: np.ndarray
    error: np.ndarray

    def at(self, sizes: np.ndarray | float) -> np.ndarray:
        """Return the errors [D, K] at sizes [K], or [D] at one size."""
        sizes = np.asarray(sizes, float)
        own = [part.reshape(-1, *[1] * sizes.ndim) for part in self[:3]]
        return np.asarray(own[0] + own[1] * sizes ** -own[2])


def fit(sizes: np.ndarray, errors: np.ndarray, weights: np.ndarray | None = None, with_floor: bool = True) -> PowerLaw:
    """Fit a power law by weighted least squares, see `fits`, to errors [K]."""
    found = fits(sizes, np.asarray(errors, float)[None], weights, with_floor)
    return PowerLaw(*(float(part[0]) for part in found))


def fits(sizes: np.ndarray, errors: np.ndarray, weights: np.ndarray | None = None, with_floor: bool = True
         ) -> PowerLaws:
    """Fit power laws by weighted least squares (Hestness et al. 2017; Rosenfeld et al. 2020).

    For an exponent the best floor and scale, both at least 0, have a closed form; the best exponent is looked for on a
    grid over [0.01, 5] and then on finer ones between its neighbours.

    Args:
        sizes: [K], above 0; errors: [D, K]; weights: [K] of the squares, equal where they are None.
        with_floor: else the floor is 0, a straight line in logarithms.

    Raises:
        ValueError: fewer sizes than numbers to fit.
    """
    if len(sizes) < 2 + with_floor:
        raise ValueError(f"{len(sizes)} sizes cannot tell {2 + with_floor} numbers")
    share = np.ones(len(sizes)) if weights is None else np.asarray(weights, float)
    share, total = share / share.sum(), float(share.sum())
    # In units of the geometric mean of the sizes, which keeps the columns comparable.
    unit = float(np.exp(np.log(sizes).mean()))
    sizes, errors = np.asarray(sizes, float) / unit, np.asarray(errors, float)
    rows, grid = np.arange(len(errors)), EXPONENTS[None]
    for zoom in range(NUM_ZOOMS + 1):
        laws = _at(grid, sizes, errors, share, with_floor)
        best = laws.error.argmin(axis=1)
        grid = np.broadcast_to(grid, laws.error.shape)
        low, high = (grid[rows, np.clip(best + step, 0, grid.shape[1] - 1)] for step in (-1, 1))
        if zoom < NUM_ZOOMS:
            grid = np.geomspace(low, high, NUM_BETWEEN, axis=1)
    floor, scale, error = (part[rows, best] for part in (laws.floor, laws.scale, laws.error))
    exponent = grid[rows, best]
    return PowerLaws(floor, scale * unit**exponent, exponent, total * error)


def _at(exponents: np.ndarray, sizes: np.ndarray, errors: np.ndarray, share: np.ndarray, with_floor: bool
        ) -> PowerLaws:
    """Return the best floors and scales [D, G] for exponents [D, G] or [1, G]; shares [K] of the weight.

    The problem is convex in two numbers: where its free solution is not allowed, one of them is 0.
    """
    falling = sizes ** -exponents[:, :, None]
    mean, mean_falling = (errors @ share)[:, None], falling @ share
    aside, below = errors - mean, falling - mean_falling[:, :, None]
    variance = np.square(aside) @ share
    slope_squares, slope_products = np.square(below) @ share, _products(below * share, aside)
    squares, products = slope_squares + mean_falling**2, slope_products + mean_falling * mean
    scale = np.maximum(products / squares, 0.0)
    floor = np.zeros_like(scale)
    error = variance[:, None] + mean**2 - 2 * scale * products + scale**2 * squares
    if not with_floor:
        return PowerLaws(floor, scale, exponents, error)
    slope = slope_products / slope_squares
    level = mean - slope * mean_falling
    free, flat = (slope >= 0) & (level >= 0), (slope < 0) & (mean >= 0)
    left = (variance[:, None] - slope * slope_products, np.broadcast_to(variance[:, None], error.shape))
    # In the order of PowerLaw: free, flat, and through 0.
    chosen = (np.where(free, own, np.where(flat, even, rest)) for own, even, rest in (
        (level, mean, floor), (slope, 0.0, scale), (*left, error)))
    floor, scale, error = chosen
    return PowerLaws(floor, scale, exponents, error)


def _products(columns: np.ndarray, errors: np.ndarray) -> np.ndarray:
    """Return sums over sizes [D, G] of columns [D, G, K] or [1, G, K] times errors [D, K]."""
    products: np.ndarray = errors @ columns[0].T if len(columns) == 1 else (columns @ errors[:, :, None])[:, :, 0]
    return products


class Curve(NamedTuple):
    """A fitted learning curve: the law, draws of laws, and the sizes and mean errors [K] that it is fitted to."""

    law: PowerLaw
    draws: PowerLaws | None
    sizes: np.ndarray
    means: np.ndarray

    def interval(self, size: float, level: float) -> tuple[float, float]:
        """Return the percentile interval of the mean error at a size; NaN without draws."""
        return quantiles(None if self.draws is None else self.draws.at(size), level)

    def of(self, name: str, level: float) -> tuple[float, float]:
        """Return the percentile interval of the floor, the scale or the exponent; NaN without draws."""
        return quantiles(None if self.draws is None else getattr(self.draws, name), level)

    def growth_to_halve(self, level: float) -> tuple[float, float, float]:
        """Return by what the examples have to be multiplied to halve the error above the floor, with its interval."""
        low, high = self.of("exponent", level)
        return tuple(2 ** (1 / value) for value in (self.law.exponent, high, low))  # type: ignore[return-value]


def curve(sizes: np.ndarray, errors: np.ndarray, num_draws: int, seed: int, with_floor: bool = True,
          spread: float = 1.0) -> Curve:
    """Fit a power law to mean errors, with draws over repetitions.

    Weights are 1 / mean², which makes relative errors small (Rosenfeld et al. 2020). The variance over few repetitions
    makes no weights: sizes where they agree by luck would decide, with intervals that are far too narrow. Draws are
    those of `drawn_means`.

    Args:
        sizes: [K]; errors: [K, S], above 0, a repetition in the same column at each size.
        num_draws: 0 for none; one repetition has none either.
        spread: what the deviations are multiplied by, above 1 for repetitions that share data.
    """
    means = errors.mean(axis=1)
    weights = means**-2
    drawn = drawn_means(errors, num_draws, seed, spread)
    draws = None if drawn is None else fits(sizes, drawn, weights, with_floor)
    return Curve(fit(sizes, means, weights, with_floor), draws, sizes, means)


def drawn_means(errors: np.ndarray, num_draws: int, seed: int, spread: float = 1.0) -> np.ndarray | None:
    """Draw mean errors [D, K] of repetitions drawn anew; None for one repetition.

    The multiplier bootstrap over repetitions: mean + Σ_s (error_s - mean) g_s / √(S (S - 1)), g_s standard normal and
    the same at all sizes, for a repetition shares its val examples at all of them. All is divided by √(χ²/ν) with
    ν = S - 1 degrees of freedom, which makes the percentile interval of any weighted sum of means Student's: with few
    repetitions percentiles of resamples are far too narrow.

    Args:
        errors: [K, S].
    """
    from dlx.core.random import numpy_generator

    count = errors.shape[1]
    if count < 2 or num_draws == 0:
        return None
    generator = numpy_generator(seed, "learning curve")
    multipliers = generator.normal(size=(num_draws, count))
    multipliers /= np.sqrt(generator.chisquare(count - 1, size=(num_draws, 1)) / (count - 1))
    means = errors.mean(axis=1)
    deviations = (errors - means[:, None]) / math.sqrt(count * (count - 1))
    drawn: np.ndarray = means + spread * multipliers @ deviations.T
    return drawn


def quantiles(values: np.ndarray | None, level: float) -> tuple[float, float]:
    """Return the quantiles (1 ∓ level)/2 of draws, NaN without any."""
    if values is None:
        return math.nan, math.nan
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


class HeldOut(NamedTuple):
    """What a curve without the largest size says of it, [low, high] with an interval, and what was measured."""

    size: float
    predicted: float
    low: float
    high: float
    measured: float

    @property
    def is_inside(self) -> bool | None:
        """Say whether the interval holds what was measured; None without an interval."""
        return None if math.isnan(self.low) else self.low <= self.measured <= self.high


def held_out(sizes: np.ndarray, errors: np.ndarray, num_draws: int, seed: int, level: float,
             with_floor: bool = True, spread: float = 1.0) -> HeldOut | None:
    """Predict the mean error at the largest size from all others; None for fewer than FEWEST_SIZES of these.

    The interval is of what would be measured there with as many repetitions: a draw redraws the means at all sizes, and
    counts what its curve misses by at the largest.

    Args:
        sizes: [K], ascending; errors: [K, S].
    """
    if len(sizes) < FEWEST_SIZES + 1:
        return None
    weights, measured = errors[:-1].mean(axis=1) ** -2.0, float(errors[-1].mean())
    predicted = float(fit(sizes[:-1], errors[:-1].mean(axis=1), weights, with_floor).at(sizes[-1]))
    drawn = drawn_means(errors, num_draws, seed, spread)
    if drawn is None:
        return HeldOut(float(sizes[-1]), predicted, math.nan, math.nan, measured)
    missed = fits(sizes[:-1], drawn[:, :-1], weights, with_floor).at(sizes[-1]) - drawn[:, -1]
    low, high = quantiles(missed + measured, level)
    return HeldOut(float(sizes[-1]), predicted, low, high, measured)
