"""Split-conformal prediction: sets and intervals that hold the target with a promised probability.

Of n val examples with scores, larger ones of worse predictions, the k-th smallest score is the threshold, k = ⌈(n +
1)·coverage⌉. A new exchangeable example has a score at most this with probability k/(n + 1) ≥ coverage (Papadopoulos
2002; Vovk, Gammerman & Shafer 2005; Angelopoulos & Bates 2023).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def rank_of(n: int, coverage: float) -> int:
    """Return k; above n where n examples are too few for the promise."""
    return math.ceil(round((n + 1) * coverage, 9))


def threshold(scores: Floats, coverage: float) -> float | None:
    """Return the k-th smallest of scores [n]; None where k > n."""
    rank = rank_of(len(scores), coverage)
    return None if rank > len(scores) else float(np.partition(scores, rank - 1)[rank - 1])


def coverage_range(n: int, m: int, coverage: float, level: float) -> tuple[float, float]:
    """Return between which shares of m new examples lie covered, with a probability of at least `level`.

    Given the val examples the coverage is Beta(k, n + 1 − k), so covered ones are beta-binomial; its (1 ∓ level)/2
    quantiles over m. For scores without ties; ties cover more.

    Args:
        n: val examples, k ≤ n. m: new ones.
    """
    from scipy.special import betaln

    above, counts = n + 1 - rank_of(n, coverage), np.arange(m + 1)
    a, b = rank_of(n, coverage), above
    logs = betaln(counts + a, m - counts + b) - betaln(a, b) - betaln(counts + 1, m - counts + 1) - math.log(m + 1)
    reached = np.exp(logs).cumsum()
    low, high = (int(np.searchsorted(reached, tail)) for tail in ((1 - level) / 2, (1 + level) / 2))
    return low / m, min(high, m) / m
