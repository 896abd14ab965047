"""Temperature scaling: softmax(z/T), one number T for all examples (Guo, Pleiss, Sun & Weinberger 2017).

N examples, C classes.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

LOWEST, HIGHEST = 1e-2, 1e2
_TOLERANCE = 1e-8


def mean_nats(logits: Floats, targets: NDArray[np.int64], temperature: float) -> float:
    """Return the mean of −log softmax(z/T)[target] for logits z [N, C], whose largest of each row is 0."""
    scaled = logits / temperature
    own = scaled[np.arange(len(targets)), targets]
    return float((np.log(np.exp(scaled).sum(axis=1)) - own).mean())


def fit_temperature(logits: Floats, targets: NDArray[np.int64]) -> float:
    """Return the T in [1/100, 100] with the smallest mean of −log softmax(z/T)[target], convex in 1/T.

    By Brent's method on log T. 1 where no other is better; a bound where it is best, as 1/100 is where every
    prediction is right.

    Args:
        logits: [N, C]; a constant may be added to each row.
        targets: classes [N].
    """
    from scipy.optimize import minimize_scalar

    shifted = logits - logits.max(axis=1, keepdims=True)

    def objective(log_temperature: float) -> float:
        return mean_nats(shifted, targets, math.exp(log_temperature))

    found = minimize_scalar(objective, bounds=(math.log(LOWEST), math.log(HIGHEST)), method="bounded",
                            options={"xatol": _TOLERANCE})
    # The first of equals is taken: no scaling.
    return min((1.0, LOWEST, HIGHEST, math.exp(float(found.x))), key=lambda own: mean_nats(shifted, targets, own))


def scaled_probs(logits: Floats, temperature: float) -> Floats:
    """Return softmax(z/T) [N, C]."""
    scaled = (logits - logits.max(axis=1, keepdims=True)) / temperature
    raised = np.exp(scaled)
    return np.asarray(raised / raised.sum(axis=1, keepdims=True))
