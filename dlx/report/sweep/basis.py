"""What every section ends with: how its numbers were made, from what, and what they cannot say."""

from __future__ import annotations

import numpy as np

from dlx.report import words
from dlx.report.sweep.points import Sweep


def basis(method: str, source: str, cannot: str) -> tuple[str, str, str]:
    """Write the three remarks."""
    return f"Method: {method}", f"From: {source}", f"Cannot say: {cannot}"


def runs_and_points(sweep: Sweep) -> str:
    """Write 60 runs that are done, of 12 configurations with 5 seeds each."""
    counts = np.isfinite(sweep.val).sum(axis=1)
    seeds = sorted({int(count) for count in counts if count})
    each = "" if not seeds else (f" with {words.count(seeds[0], 'run')} each" if len(seeds) == 1 else
                                 f" with {seeds[0]} to {seeds[-1]} runs each")
    return f"{words.count(int(counts.sum()), 'run')} done, of {words.count(len(sweep.order), 'configuration')}{each}."
