"""What the mean of models gains over one of them, by how many there are. S models, N examples, K subsets."""

from __future__ import annotations

import itertools
import math

import numpy as np
from numpy.typing import NDArray

from dlx.core.diversity import EPSILON
from dlx.core.random import numpy_generator
from dlx.core.types import Kind

Array = NDArray[np.float64]
MAX_SUBSETS = 200
ALL_SIZES = 10


def of_target(scores: Array, targets: Array, kind: Kind) -> Array:
    """Return what the loss of a mean is made of [S, N]: the probability of the target, or prediction minus target.

    Args:
        scores: probabilities [S, N, C], or predictions [S, N].
        targets: [N].
        kind: classification or regression.
    """
    if kind == "regression":
        return scores - targets
    chosen: Array = scores[:, np.arange(len(targets)), targets.astype(np.int64)]
    return chosen


def losses(means: Array, kind: Kind) -> Array:
    """Return −log of probabilities, those below the machine epsilon as it, or squares of differences."""
    return np.asarray(means**2 if kind == "regression" else -np.log(means.clip(min=EPSILON)))


def gain(values: Array, kind: Kind) -> Array:
    """Return, of each example [N], the mean loss of the members minus the loss of their mean: ≥ 0, by Jensen.

    For squares it is the variance among members (the ambiguity of Krogh and Vedelsby 1995).

    Args:
        values: [S, N], see `of_target`.
    """
    return np.asarray(losses(values, kind).mean(axis=0) - losses(values.mean(axis=0), kind))


def sizes(num_models: int) -> tuple[int, ...]:
    """Return the sizes of ensembles to look at: each to 10, then ever fewer, and all models."""
    grown = (round(ALL_SIZES * 2 ** (step / 3)) for step in itertools.count(1))
    more = itertools.takewhile(lambda size: size < num_models, grown)
    return tuple(sorted({*range(1, min(ALL_SIZES, num_models) + 1), *more, num_models}))


def loss_by_size(values: Array, kind: Kind, seed: int = 0) -> dict[int, float]:
    """Return the mean loss of ensembles by their size: over all subsets where these are few, else over some.

    All subsets where there are at most 200, and of single models; else 200, each drawn with the key (seed, size).
    Over all subsets it never rises with the size.

    Args:
        values: [S, N], see `of_target`.
    """
    # No BLAS: its threads would change the last digits from machine to machine.
    return {size: float(losses(np.einsum("ks,sn->kn", _members(len(values), size, seed), values) / size, kind).mean())
            for size in sizes(len(values))}


def _members(num_models: int, size: int, seed: int) -> Array:
    """Return which models are in each subset, [K, S] of 0 and 1."""
    if math.comb(num_models, size) <= max(MAX_SUBSETS, num_models):
        chosen = list(itertools.combinations(range(num_models), size))
    else:
        generator = numpy_generator(seed, "ensemble_subsets", size)
        chosen = [tuple(generator.permutation(num_models)[:size]) for _ in range(MAX_SUBSETS)]
    members = np.zeros((len(chosen), num_models))
    for row, models in enumerate(chosen):
        members[row, list(models)] = 1.0
    return members
