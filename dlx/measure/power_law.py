"""Learning curves: how an error falls with the number of examples. K sizes, S repetitions."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

# Exponents that are looked for; real learning curves have 0.05 to 1 (Hestness et al. 2017).
EXPONENTS = np.geomspace(1e-2, 5.0, 200)
# More than the three numbers that are fitted, so that a fit can miss.
FEWEST_SIZES = 4


class PowerLaw(NamedTuple):
    """e(n) = floor + scale · n^(−exponent), all at least 0; error: the weighted sum of squares that is left."""

    floor: float
    scale: float
    exponent: float
    error: float

    def at(self, sizes: np.ndarray | float) -> np.ndarray:
        """Return the errors at sizes [K]."""
        return np.asarray(self.floor + self.scale * np.asarray(sizes, float) ** -self.exponent)


def fit(sizes: np.ndarray, errors: np.ndarray, weights: np.ndarray | None = None, with_floor: bool = True) -> PowerLaw:
    """Fit a power law by weighted least squares (Hestness et al. 2017; Rosenfeld et al. 2020).

    For an exponent the best floor and scale, both at least 0, are a linear problem; the best exponent is looked for on
    a grid over [0.01, 5] and then between its neighbours.

    Args:
        sizes: [K], above 0; errors: [K]; weights: [K] of the squares, equal where they are None.
        with_floor: else the floor is 0, a straight line in logarithms.

    Raises:
        ValueError: fewer sizes than numbers to fit.
    """
    from scipy.optimize import minimize_scalar

    if len(sizes) < 2 + with_floor:
        raise ValueError(f"{len(sizes)} sizes cannot tell {2 + with_floor} numbers")
    root = np.ones(len(sizes)) if weights is None else np.sqrt(weights)
    # In units of the geometric mean of the sizes, which keeps the columns comparable.
    unit = float(np.exp(np.log(sizes).mean()))

    def at(exponent: float) -> PowerLaw:
        return _at(exponent, sizes / unit, errors, root, with_floor)

    found = [at(exponent).error for exponent in EXPONENTS]
    best = int(np.argmin(found))
    low, high = EXPONENTS[max(0, best - 1)], EXPONENTS[min(len(EXPONENTS) - 1, best + 1)]
    refined = minimize_scalar(lambda exponent: at(float(exponent)).error, bounds=(low, high), method="bounded",
                              options={"xatol": 1e-10})
    law = min(at(float(refined.x)), at(float(EXPONENTS[best])), key=lambda own: own.error)
    return law._replace(scale=law.scale * unit**law.exponent)


def _at(exponent: float, sizes: np.ndarray, errors: np.ndarray, root: np.ndarray, with_floor: bool) -> PowerLaw:
    from scipy.optimize import nnls

    falling = sizes**-exponent
    columns = np.stack([np.ones_like(falling), falling], axis=1) if with_floor else falling[:, None]
    solution, rest = nnls(columns * root[:, None], errors * root)
    floor, scale = solution if with_floor else (0.0, solution[0])
    return PowerLaw(float(floor), float(scale), exponent, float(rest**2))


class Curve(NamedTuple):
    """A fitted learning curve: the law, bootstrap draws of laws, and the sizes and mean errors that it is fitted to."""

    law: PowerLaw
    draws: tuple[PowerLaw, ...]
    sizes: np.ndarray
    means: np.ndarray

    def interval(self, size: float, level: float) -> tuple[float, float]:
        """Return the percentile interval of the mean error at a size."""
        return _quantiles([float(law.at(size)) for law in self.draws], level)

    def of(self, name: str, level: float) -> tuple[float, float]:
        """Return the percentile interval of the floor, the scale or the exponent."""
        return _quantiles([float(getattr(law, name)) for law in self.draws], level)


def curve(sizes: np.ndarray, errors: np.ndarray, num_draws: int, seed: int) -> Curve:
    """Fit a power law to mean errors, weighted by how sure each mean is, with bootstrap draws over repetitions.

    Weights are S / s², s² the variance over repetitions pooled in the logarithm with that of all sizes, so that a size
    whose repetitions agree by luck does not decide. Draws are of repetitions within each size.

    Args:
        sizes: [K]; errors: [K, S].
        num_draws: 0 for none.
    """
    from dlx.core.random import numpy_generator

    weights = _weights(errors)
    means = errors.mean(axis=1)
    draws = []
    generator = numpy_generator(seed, "learning curve")
    rows = np.arange(len(sizes))[:, None]
    for _ in range(num_draws if errors.shape[1] > 1 else 0):
        chosen = errors[rows, generator.integers(errors.shape[1], size=errors.shape)]
        draws.append(fit(sizes, chosen.mean(axis=1), weights))
    return Curve(fit(sizes, means, weights), tuple(draws), sizes, means)


def _weights(errors: np.ndarray) -> np.ndarray:
    count = errors.shape[1]
    if count < 2:
        return np.ones(len(errors))
    variances = errors.var(axis=1, ddof=1)
    known = variances > 0
    if not known.any():
        return np.ones(len(errors))
    logs = np.where(known, np.log(np.where(known, variances, 1.0)), np.log(variances[known]).mean())
    pooled = np.exp((logs + logs.mean()) / 2)
    weights: np.ndarray = count / pooled
    return weights / weights.max()


def _quantiles(values: list[float], level: float) -> tuple[float, float]:
    if not values:
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


def held_out(sizes: np.ndarray, errors: np.ndarray, num_draws: int, seed: int, level: float) -> HeldOut | None:
    """Predict the mean error at the largest size from all others; None for fewer than FEWEST_SIZES of these.

    The interval is of a new mean of S repetitions: the spread of fitted curves, and the noise of a mean of as many
    repetitions, as large as that of the largest size that was fitted.

    Args:
        sizes: [K], ascending; errors: [K, S].
    """
    from dlx.core.random import numpy_generator

    if len(sizes) < FEWEST_SIZES + 1:
        return None
    found = curve(sizes[:-1], errors[:-1], num_draws, seed)
    predicted = [float(law.at(sizes[-1])) for law in found.draws]
    spread = float(errors[-2].std(ddof=1)) / math.sqrt(errors.shape[1]) if errors.shape[1] > 1 else 0.0
    noise = numpy_generator(seed, "held-out size").normal(scale=spread, size=len(predicted))
    low, high = _quantiles([*(np.array(predicted) + noise)], level)
    return HeldOut(float(sizes[-1]), float(found.law.at(sizes[-1])), low, high, float(errors[-1].mean()))
