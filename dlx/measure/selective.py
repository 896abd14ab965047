"""Predictions that are only made where the model is sure. N examples, in the order of their ids."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dlx.measure.calibration import DECIMALS

Floats = NDArray[np.float64]


class Ranked(NamedTuple):
    """Examples from the most to the least confident: confidence [N]; wrong ones among the first k, k = 1 … N, [N]."""

    confidence: Floats
    wrong: NDArray[np.int64]

    @property
    def risks(self) -> Floats:
        """Return the share of wrong ones among the first k, [N]."""
        return np.asarray(self.wrong / np.arange(1, len(self.wrong) + 1))


def ranked(confidence: Floats, is_wrong: NDArray[np.bool_]) -> Ranked:
    """Sort examples; those with equal confidence stay in the order of the rows."""
    order = np.argsort(-confidence, kind="stable")
    return Ranked(confidence[order], np.cumsum(is_wrong[order]))


def aurc(own: Ranked) -> float:
    """Return the area under the risk-coverage curve: the mean over k = 1 … N of the risk of the k most confident.

    Geifman, Uziel & El-Yaniv 2019. A confidence that knows nothing of errors gives the error rate.
    """
    return float(own.risks.mean())


def coverage_at(own: Ranked, risk: float) -> float:
    """Return the largest share k/N whose risk is at most `risk`; 0 without one."""
    kept = np.flatnonzero(own.risks <= risk)
    return float((kept[-1] + 1) / len(own.wrong)) if len(kept) else 0.0


def number_at(n: int, coverage: float) -> int:
    """Return ⌈coverage · N⌉: how many are answered."""
    return max(1, math.ceil(round(coverage * n, 9)))


def threshold_for(own: Ranked, risk: float) -> float | None:
    """Return a confidence from which on to answer, so that the risk is at most `risk` and no lower one answers more.

    Of the numbers that answer the same examples it is the one with the fewest decimals; 0 where all are answered; None
    where no threshold does it. Confidence is rounded to 9 decimals; what was rounded is on the same side.
    """
    # Equal confidence is answered or not together.
    ends = np.flatnonzero(np.append(own.confidence[:-1] > own.confidence[1:], True))
    kept = ends[own.risks[ends] <= risk]
    if not len(kept):
        return None
    last = int(kept[-1])
    if last == len(own.wrong) - 1:
        return 0.0
    half = 0.5 * 10.0**-DECIMALS
    lowest, highest = own.confidence[last + 1] + 0.9 * half, own.confidence[last] - half
    text = f"{highest:.{DECIMALS + 1}f}"
    # Cut off, a decimal is never too high.
    return next(short for digits in range(3, len(text) + 1) if (short := float(text[:digits])) > lowest)
