"""Calibration errors of class probabilities, and how large they are by chance where the probabilities are true.

Shape letters: N examples, C classes, K bins, R draws, r sets of targets. Rows are in the order of the examples' ids:
draws and ties then depend on no other order.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

# In what order `errors` gives them.
ERRORS = ("ece", "ece_equal_mass", "mce", "classwise_ece")
# predictions.csv holds 9 significant digits; what is compared or sorted is rounded so that it can be recomputed there.
DECIMALS = 9
HIGH = 0.975
_EPSILON = float(np.finfo(np.float64).eps)
_BLOCK_ELEMENTS = 2**20
# A draw that equals what was observed may differ from it by the rounding of a sum.
_SLACK = 1e-12


class Cells(NamedTuple):
    """Where probabilities are counted: the cell of each; how many are in each cell, and their sum, [cells]."""

    cell: Ints
    counts: Ints
    totals: Floats


class Forecasts(NamedTuple):
    """What a model said of N examples, in cells.

    probs [N, C], rounded; predicted [N] and confidence, its probability, [N]; by_width, by_mass: K cells of the
    confidence, cell [N]; by_class: C·K cells of all probabilities, cell [N, C].
    """

    probs: Floats
    predicted: Ints
    confidence: Floats
    by_width: Cells
    by_mass: Cells
    by_class: Cells


class Hits(NamedTuple):
    """Targets in each cell, of r drawn sets of targets: by_width and by_mass [r, K], by_class [r, C·K]."""

    by_width: Ints
    by_mass: Ints
    by_class: Ints


class Chance(NamedTuple):
    """What true probabilities give: mean and 97.5% quantile of an error, and how often it is as large as observed."""

    mean: float
    high: float
    p_value: float


def as_written(probs: Floats) -> Floats:
    """Round to 9 decimals."""
    return np.round(probs, DECIMALS)


def nats(probs: Floats, targets: Ints) -> Floats:
    """Return −log p(target) [N] of probabilities [N, C]; those below 2⁻⁵² count as 2⁻⁵², as in the metric nll."""
    return np.asarray(-np.log(probs[np.arange(len(targets)), targets].clip(_EPSILON, 1 - _EPSILON)))


def squared_distances(probs: Floats, targets: Ints) -> Floats:
    """Return Σ_c (p_c − 1[c = target])² [N], in [0, 2] (Brier 1950, Monthly Weather Review 78)."""
    own = probs[np.arange(len(targets)), targets]
    return np.asarray((probs**2).sum(axis=1) - own**2 + (1 - own) ** 2)


def equal_width(probs: Floats, num_bins: int) -> Ints:
    """Return which bin ((b − 1)/K, b/K] each probability is in, from 0; 0 is in the first."""
    edges = np.arange(num_bins + 1) / num_bins
    return np.clip(np.searchsorted(edges, probs, side="left") - 1, 0, num_bins - 1)


def equal_mass(confidence: Floats, num_bins: int) -> Ints:
    """Return ⌊K·rank/N⌋ [N], rank from 0 in ascending order; ties in the order of the rows."""
    n = len(confidence)
    index = np.empty(n, dtype=np.int64)
    index[np.argsort(confidence, kind="stable")] = np.arange(n) * num_bins // n
    return index


def forecasts(probs: Floats, predicted: Ints, num_bins: int) -> Forecasts:
    """Put probabilities [N, C] into bins.

    Args:
        predicted: class that each example was given [N]: one of its most probable.
        num_bins: K.
    """
    probs = as_written(probs)
    confidence = probs[np.arange(len(probs)), predicted]
    classes = equal_width(probs, num_bins) + num_bins * np.arange(probs.shape[1])
    return Forecasts(probs, predicted, confidence, _cells(equal_width(confidence, num_bins), confidence, num_bins),
                     _cells(equal_mass(confidence, num_bins), confidence, num_bins),
                     _cells(classes, probs, num_bins * probs.shape[1]))


def _cells(cell: Ints, probs: Floats, num_cells: int) -> Cells:
    flat = cell.ravel()
    totals: Floats = np.bincount(flat, weights=probs.ravel(), minlength=num_cells).astype(np.float64)
    return Cells(cell, np.bincount(flat, minlength=num_cells), totals)


def observed_hits(said: Forecasts, targets: Ints) -> Hits:
    """Count targets [N]; r is 1."""
    right, rows = said.predicted == targets, np.arange(len(targets))
    found = (said.by_width.cell[right], said.by_mass.cell[right], said.by_class.cell[rows, targets])
    sizes = (len(cells.counts) for cells in said[3:])
    return Hits(*(np.bincount(index, minlength=size)[None] for index, size in zip(found, sizes, strict=True)))


def redrawn_hits(said: Forecasts, num_draws: int, generator: np.random.Generator) -> Hits:
    """Draw targets from the probabilities themselves R times, and count them; r is R.

    Each set of targets is independent over examples, P(target = c) = p_c, so that the predicted class is right with
    the probability of its confidence (Bröcker & Smith 2007, consistency resampling; Vaicenavicius 2019).
    """
    n, num_classes = said.probs.shape
    order = np.argsort(np.where(np.arange(num_classes) == said.predicted[:, None], -2.0, -said.probs), axis=1,
                       kind="stable")
    # The predicted class is first, so that little is left to look up where the model is sure.
    steps = np.take_along_axis(said.probs, order, axis=1).cumsum(axis=1)
    hits = [np.repeat(own, num_draws, axis=0) for own in observed_hits(said, said.predicted)]
    block = max(1, _BLOCK_ELEMENTS // num_draws)
    for start in range(0, n, block):
        uniform = generator.random((min(block, n - start), num_draws))
        row, draw = np.nonzero(uniform >= steps[start : start + block, :1])
        ranks = _ranks(uniform[row, draw], row, steps[start : start + block])
        row += start
        for own, cell in zip(hits, (said.by_width.cell[row], said.by_mass.cell[row],
                                    said.by_class.cell[row, said.predicted[row]]), strict=True):
            own -= _count(draw, cell, own.shape)
        hits[2] += _count(draw, said.by_class.cell[row, order[row, ranks]], hits[2].shape)
    return Hits(*hits)


def _ranks(uniform: Floats, row: Ints, steps: Floats) -> Ints:
    """Return the place of the first of a row's steps that lies above a draw; the last one is above all."""
    ranks = np.empty(len(row), dtype=np.int64)
    ends = np.searchsorted(row, np.arange(len(steps) + 1)).tolist()
    for own, low, high in zip(steps[:, :-1], ends, ends[1:], strict=False):
        if high > low:
            ranks[low:high] = own.searchsorted(uniform[low:high], side="right")
    return ranks


def _count(draw: Ints, cell: Ints, shape: tuple[int, ...]) -> Ints:
    return np.bincount(draw * shape[1] + cell, minlength=shape[0] * shape[1]).reshape(shape)


def errors(said: Forecasts, hits: Hits) -> Floats:
    """Return the calibration errors [r, 4] in the order of ERRORS.

    Σ_b |hits_b − Σ p| / N over bins of equal width (Naeini 2015) and of equal mass; max_b |hits_b − Σ p| / n_b over
    bins of equal width with examples; the mean over classes of the first, of the probabilities of a class (Kull 2019).
    """
    n, num_classes = said.probs.shape
    width, mass, classes = (np.abs(own - cells.totals) for own, cells in zip(hits, said[3:], strict=True))
    furthest = (width / np.maximum(said.by_width.counts, 1)).max(axis=1)
    return np.stack([width.sum(axis=1) / n, mass.sum(axis=1) / n, furthest, classes.sum(axis=1) / (n * num_classes)],
                    axis=1)


def null(said: Forecasts, num_draws: int, generator: np.random.Generator) -> tuple[Floats, Ints]:
    """Return errors [R, 4], and right answers in bins of equal width [R, K], where the probabilities are true."""
    hits = redrawn_hits(said, num_draws, generator)
    return errors(said, hits), hits.by_width


def chance(observed: float, draws: Floats) -> Chance:
    """Compare an error with those of draws [R]; p = (1 + #{draws ≥ observed}) / (1 + R) (Phipson & Smyth 2010)."""
    as_large = int((draws >= observed * (1 - _SLACK)).sum())
    return Chance(float(draws.mean()), float(np.quantile(draws, HIGH)), (1 + as_large) / (1 + len(draws)))


def binary_error(probs: Floats, targets: Ints, num_bins: int) -> float:
    """Return Σ_b |Σ target − Σ p| / N over bins of equal width of probabilities [N] that a target [N] is 1, not 0."""
    probs = as_written(probs)
    index = equal_width(probs, num_bins)
    return float(np.abs(np.bincount(index, weights=targets - probs, minlength=num_bins)).sum() / len(probs))
