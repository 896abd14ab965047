"""Near duplicates: rows much closer to another row than rows usually are to their nearest.

N rows, D features, k dimensions of a projection.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from dlx.core.random import torch_generator
from dlx.hygiene.data import ALPHA, MAX_LISTED, TRAIN, Count, sample
from dlx.hygiene.duplicates import pairs_of
from dlx.hygiene.features import Features

# As in cleanlab 2.9, datalab/internal/issue_manager/duplicate.py.
SHARE_OF_MEDIAN = 0.13
DIMENSIONS = 16
ROWS, COLUMNS = 256, 2048
SCALE_ROWS = 256
SCALE_OPERATIONS = 2e10
# Numbers that the pairs to be measured in full may have together.
MAX_MEASURED = 2**28
NUMBERS_AT_ONCE = 2**22
NARROW = 64


class Near(NamedTuple):
    """Near duplicates, exact ones aside.

    median: the median distance of a row to its nearest; threshold: 0.13 of it; dimension: of the data, from how
    distances grow; chance: the share of rows that lie as close in such data without being anyone's duplicate; within,
    across, pairs: as of exact duplicates, with the distance; beyond_chance: which of within and across are more than
    chance makes; num_rows: how many were compared; is_complete: whether all pairs closer than the threshold were found.
    """

    median: float
    threshold: float
    dimension: float
    chance: float
    within: dict[str, Count]
    across: dict[str, Count]
    pairs: dict[str, tuple[tuple[int, int, float], ...]]
    beyond_chance: tuple[str, ...]
    num_rows: dict[str, int]
    of_rows: dict[str, int]
    is_complete: bool


class Scale(NamedTuple):
    """How far rows lie from each other: the median distance to the nearest, and the dimension of the data."""

    median: float
    dimension: float


class Close(NamedTuple):
    """Pairs of rows closer than a threshold: positions first < second, distances."""

    first: np.ndarray
    second: np.ndarray
    distances: np.ndarray
    is_complete: bool


def near_duplicates(features: Features, groups: np.ndarray) -> tuple[Near, dict[str, np.ndarray]]:
    """Find near duplicates in a split and across splits.

    Args:
        groups: equal rows of the dataset have the same number; one of each in a split is compared.

    Returns:
        The findings; and the row numbers of each held-out split that have a near duplicate in train.
    """
    distinct = {name: np.sort(np.unique(groups[rows], return_index=True)[1]) for name, rows in features.rows.items()}
    values = torch.from_numpy(np.concatenate([features.values[name][own] for name, own in distinct.items()]))
    rows = np.concatenate([features.rows[name][own] for name, own in distinct.items()])
    splits = np.repeat(np.arange(len(distinct)), [len(own) for own in distinct.values()])
    scale = scale_of(values, torch.from_numpy(groups[rows]))
    threshold = SHARE_OF_MEDIAN * scale.median
    close = close_pairs(values, threshold)
    other = groups[rows[close.first]] != groups[rows[close.second]]
    close = Close(close.first[other], close.second[other], close.distances[other], close.is_complete)
    return _tell(features, rows, splits, close, scale, threshold)


def _tell(features: Features, rows: np.ndarray, splits: np.ndarray, close: Close, scale: Scale, threshold: float
          ) -> tuple[Near, dict[str, np.ndarray]]:
    names = list(features.rows)
    chance = chance_of(scale.dimension)
    within, across, pairs, leaked, beyond = {}, {}, {}, {}, []
    for number, name in enumerate(names):
        same = (splits[close.first] == number) & (splits[close.second] == number)
        within[name] = Count.of_rows(rows[np.unique(close.second[same])], len(features.rows[name]))
    for first, second in pairs_of(features.rows):
        label = f"{first} in {second}"
        own, others, distances = _between(close, splits, names.index(first), names.index(second))
        found = np.unique(rows[own])
        across[label] = Count.of_rows(found, len(features.rows[first]))
        order = np.argsort(distances, kind="stable")[:MAX_LISTED]
        pairs[label] = tuple((int(rows[own[at]]), int(rows[others[at]]), float(distances[at])) for at in order)
        if second == TRAIN:
            leaked[first] = found
    for label, count in {**within, **across}.items():
        if is_beyond(count, chance):
            beyond.append(label)
    leaked = {name: own if f"{name} in {TRAIN}" in beyond else own[:0] for name, own in leaked.items()}
    sizes = {name: len(own) for name, own in features.rows.items()}
    return Near(scale.median, threshold, scale.dimension, chance, within, across, pairs, tuple(beyond), sizes,
                dict(features.of_rows), close.is_complete), leaked


def _between(close: Close, splits: np.ndarray, own: int, other: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    one, two = splits[close.first], splits[close.second]
    straight, turned = (one == own) & (two == other), (two == own) & (one == other)
    return (np.concatenate([close.first[straight], close.second[turned]]),
            np.concatenate([close.second[straight], close.first[turned]]),
            np.concatenate([close.distances[straight], close.distances[turned]]))


def chance_of(dimension: float) -> float:
    """Return the share of rows with a neighbour below the threshold where rows are spread evenly.

    In d dimensions a neighbour is farther than r with probability 2^-(r/median)^d.
    """
    return float(-math.expm1(-math.log(2) * SHARE_OF_MEDIAN**dimension))


def is_beyond(count: Count, chance: float) -> bool:
    """Say whether so many near duplicates are more than chance makes (binomial, one-sided)."""
    from scipy.special import bdtrc

    return count.found > 0 and (chance == 0 or float(bdtrc(count.found - 1, count.of, chance)) < ALPHA / 10)


def scale_of(values: Tensor, groups: Tensor) -> Scale:
    """Measure the distance of rows to their nearest, on at most 256 rows against all.

    The dimension is n / Σ log(r2 / r1) over distances to the nearest and the second nearest (Facco et al. 2017,
    Scientific Reports 7, equation 3 in its maximum likelihood form). Rows of one group are not each other's neighbours.
    """
    num_rows, width = values.shape
    most = max(32, min(SCALE_ROWS, int(SCALE_OPERATIONS / (2 * num_rows * max(1, width)))))
    chosen = torch.from_numpy(sample(num_rows, most, "scale"))
    if num_rows < 3:
        return Scale(0.0, math.inf)
    own = exact_enough(values)
    distances = torch.cdist(own[chosen], own, compute_mode="use_mm_for_euclid_dist")
    distances[groups[chosen][:, None] == groups[None]] = math.inf
    closest = distances.topk(min(8, num_rows), largest=False)
    nearest = (own[chosen][:, None] - own[closest.indices]).square().sum(dim=2).sqrt().double()
    nearest = torch.where(torch.isfinite(closest.values), nearest, math.inf).sort(dim=1).values[:, :2]
    usable = torch.isfinite(nearest).all(dim=1) & (nearest[:, 0] > 0)
    if not usable.any():
        return Scale(0.0, math.inf)
    growth = float(torch.log(nearest[usable, 1] / nearest[usable, 0]).mean())
    return Scale(float(nearest[torch.isfinite(nearest[:, 0]), 0].median()), 1 / growth if growth > 0 else math.inf)


def exact_enough(values: Tensor) -> Tensor:
    """Centre rows [N, D], in float64 where they are narrow: there distances are small beside what float32 rounds."""
    values = values.double() if values.shape[1] <= NARROW else values
    return values - values.mean(dim=0)


def close_pairs(values: Tensor, threshold: float) -> Close:
    """Find all pairs of rows closer than a threshold.

    Distances can only shrink in a projection on orthonormal directions: what is not close there, in the 16 directions
    of largest variance, is not close. The rest is measured in full.
    """
    if threshold <= 0 or len(values) < 2:
        return Close(*(np.empty(0, np.int64),) * 2, np.empty(0), True)
    values = exact_enough(values)
    places = projected(values)
    order = places[:, 0].argsort()
    found: list[tuple[Tensor, Tensor, Tensor]] = []
    left = MAX_MEASURED // values.shape[1]
    for first, second in _candidates(places[order], threshold):
        left -= len(first)
        found += _measured(values, order[first], order[second], threshold)
        if left < 0:
            break
    if not found:
        return Close(*(np.empty(0, np.int64),) * 2, np.empty(0), left >= 0)
    first, second, distances = (torch.cat(list(own)) for own in zip(*found, strict=True))
    low, high = torch.minimum(first, second), torch.maximum(first, second)
    return Close(low.numpy(), high.numpy(), distances.numpy(), left >= 0)


def projected(values: Tensor) -> Tensor:
    """Project rows on orthonormal directions of large variance, the first the largest, [N, k]; the centre is 0.

    By three steps of subspace iteration on at most 2,000 rows (Halko, Martinsson and Tropp 2011).
    """
    centred = values[torch.from_numpy(sample(len(values), 2000, "directions"))]
    centred = centred - centred.mean(dim=0)
    width = values.shape[1]
    draw = torch_generator(0, "hygiene-directions")
    basis = torch.randn(width, min(DIMENSIONS, width), generator=draw, dtype=values.dtype)
    for _ in range(3):
        basis = torch.linalg.qr(centred.T @ (centred @ basis) + 1e-6 * basis)[0]
    places = values @ basis
    return places - places.mean(dim=0)


def _candidates(places: Tensor, threshold: float) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield positions of pairs that may be close; places are sorted by their first coordinate."""
    squares = places.square().sum(dim=1, keepdim=True)
    ones = torch.ones_like(squares)
    left = torch.cat([-2 * places, squares, ones], dim=1)
    right = torch.cat([places, ones, squares], dim=1).T.contiguous()
    along = places[:, 0].contiguous()
    # What rounding may add to a squared distance.
    limit = threshold**2 + 100 * torch.finfo(places.dtype).eps * float(squares.max())
    for low in range(0, len(places), ROWS):
        high = min(low + ROWS, len(places))
        end = int(torch.searchsorted(along, along[high - 1] + math.sqrt(limit), right=True))
        for start in range(low, end, COLUMNS):
            block = left[low:high] @ right[:, start : min(start + COLUMNS, end)]
            near = (block.amin(dim=1) < limit).nonzero()[:, 0]
            row, column = (block[near] < limit).nonzero(as_tuple=True)
            first, second = near[row] + low, column + start
            keep = first < second
            if keep.any():
                yield first[keep], second[keep]


def _measured(values: Tensor, first: Tensor, second: Tensor, threshold: float
              ) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    step = max(1, NUMBERS_AT_ONCE // max(1, values.shape[1]))
    for low in range(0, len(first), step):
        one, two = first[low : low + step], second[low : low + step]
        distances = (values[one] - values[two]).square().sum(dim=1).sqrt().double()
        keep = distances < threshold
        if keep.any():
            yield one[keep], two[keep], distances[keep]
