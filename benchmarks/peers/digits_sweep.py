"""The work that all sweeps of digits share: 5 learning rates × 20 seeds, 30 epochs each, and a leaderboard."""

from __future__ import annotations

import csv
from collections.abc import Callable
from itertools import product
from pathlib import Path
from statistics import mean, stdev

LRS = (1e-4, 3e-4, 1e-3, 3e-3, 1e-2)
NUM_SEEDS = 20
NUM_EPOCHS = 30


def sweep(folder: Path, run: Callable[[Path, float, int], float], num_runs: int | None = None) -> None:
    """Train every learning rate with every seed, one after the other, and write leaderboard.csv.

    Args:
        run: trains in a new folder with a learning rate and a seed, and returns the least val loss.
        num_runs: of the 100, the first so many.
    """
    losses: dict[float, list[float]] = {}
    for lr, seed in list(product(LRS, range(NUM_SEEDS)))[:num_runs]:
        own = folder / f"lr={lr:g},seed={seed}"
        own.mkdir(parents=True)
        losses.setdefault(lr, []).append(run(own, lr, seed))
    with open(folder / "leaderboard.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["lr", "runs", "val_loss", "std"])
        for lr, own_losses in sorted(losses.items(), key=lambda pair: mean(pair[1])):
            writer.writerow([lr, len(own_losses), mean(own_losses), stdev(own_losses) if own_losses[1:] else None])
