"""dlx reporting on a run: what a report adds to a whole `dlx train`, imports and figures included."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from time import perf_counter

from sides import SideFailed

# Trained for a moment: the time of a report does not depend on it.
RUNS = {
    "digits": ("dataset=digits", "model=mlp", "epochs=10"),
    "mnist": ("dataset=mnist", "model=mlp", "epochs=1"),
}


def added_seconds(dataset: str, report: str) -> list[float]:
    """Return the seconds of a whole `dlx train` with a report minus those of one without, on one thread.

    Args:
        dataset: one of RUNS.
        report: an option of conf/report.
    """
    if dataset == "mnist" and not (Path(os.environ.get("DLX_DATA_DIR", "")) / "MNIST").is_dir():
        raise SideFailed("DLX_DATA_DIR has no MNIST")
    without = train_seconds(RUNS[dataset], "none")
    return [train_seconds(RUNS[dataset], report) - without]


def train_seconds(overrides: tuple[str, ...], report: str) -> float:
    """Time one process."""
    command = [str(Path(sys.executable).parent / "dlx"), "train", *overrides, f"report={report}", "device=cpu",
               "device.threads=1", "runs_dir=runs", "--json"]
    start = perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=False,
                          env={**os.environ, "OMP_NUM_THREADS": "1"})
    if done.returncode != 0:
        raise SideFailed(done.stderr.strip().splitlines()[-1])
    return perf_counter() - start
