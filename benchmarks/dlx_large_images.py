"""dlx training on images of 8 GB, as a user does: `dlx train` in a process of its own."""

from __future__ import annotations

import csv
import os
import sys
from pathlib import Path

from large_images import BATCH_SIZE, images
from sides import SideFailed

PEAK = Path("large_images.peak")


def epoch_seconds() -> list[float]:
    """Return the seconds of an epoch of training, its measurements not counted.

    The first call only writes the images: of so many, the next one needs no warm-up.
    """
    is_first = not Path("large_runs").exists()
    inputs, targets = images()
    Path("large_runs").mkdir(exist_ok=True)
    if is_first:
        return [0.0]
    typed = ("dataset=arrays", f"dataset.path={inputs}", f"dataset.targets={targets}", "model=linear", "epochs=1",
             f"batch_size={BATCH_SIZE}", "device=cpu", "device.threads=1", "device.data=disk", "runs_dir=large_runs")
    program = str(Path(sys.executable).parent / "dlx")
    process = os.posix_spawn(program, [program, "train", *typed], dict(os.environ))
    _, status, used = os.wait4(process, 0)
    if status != 0:
        raise SideFailed(f"dlx train ended with {os.waitstatus_to_exitcode(status)}")
    PEAK.write_text(str(used.ru_maxrss * 1024))
    timing = max(Path("large_runs").glob("*/timing.csv"), key=os.path.getmtime)
    with open(timing, newline="") as file:
        return [float(row["train_seconds"]) for row in csv.DictReader(file)]


def peak_bytes() -> list[float]:
    """Return the most memory, mapped files included, that the last such process had from its start to its exit."""
    if not PEAK.exists():
        epoch_seconds()
        epoch_seconds()
    return [float(PEAK.read_text())]
