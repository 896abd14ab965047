"""Calibration errors as netcal computes them: run as a script to write calibration.json.

netcal's bins are [low, high), the last closed, where dlx's are (low, high]: they agree where no probability lies on an
edge. Its bins of equal mass have the quantiles of the confidence as edges: those of dlx where nothing ties and 15
divides the number of examples.
"""

import json
from pathlib import Path

import numpy as np

NUM_BINS = 15
FILE = Path(__file__).with_name("calibration.json")


def inputs():
    """Return probabilities [300, 4], of 6 decimals, and targets that come true less often than they say."""
    generator = np.random.default_rng(0)
    probs = generator.dirichlet(np.full(4, 0.4), size=300).round(6)
    softer = probs**0.7
    targets = [int(generator.choice(4, p=row / row.sum())) for row in softer]
    return probs, np.array(targets)


def values():
    """Return what netcal says, and of what."""
    import netcal
    from netcal.metrics import ACE, ECE, MCE

    probs, targets = inputs()
    classes = [float(ECE(NUM_BINS).measure(probs[:, label], (targets == label).astype(int))) for label in range(4)]
    return {"made_with": {"netcal": netcal.__version__}, "probs": probs.tolist(), "targets": targets.tolist(),
            "ece": float(ECE(NUM_BINS).measure(probs, targets)),
            "ece_equal_mass": float(ECE(NUM_BINS, equal_intervals=False).measure(probs, targets)),
            "mce": float(MCE(NUM_BINS).measure(probs, targets)),
            "classwise_ece": float(np.mean(classes)), "ace": float(ACE(NUM_BINS).measure(probs, targets))}


if __name__ == "__main__":
    FILE.write_text(json.dumps(values()) + "\n")
