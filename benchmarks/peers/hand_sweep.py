"""The sweep of a careful user's loop: tensors in memory, CSV and the best weights of each run."""

from __future__ import annotations

import csv
import tempfile
from pathlib import Path

import digits
import torch
import torch.nn.functional as F  # noqa: N812
from digits_sweep import NUM_EPOCHS, sweep
from hand_loop import evaluate
from torch import nn

COLUMNS = ("epoch", "train_loss", "train_accuracy", "val_loss", "val_accuracy")


def run(folder: Path, lr: float, seed: int) -> float:
    """Train, measure train and val after each epoch, keep the best weights by val loss; return that loss."""
    torch.manual_seed(seed)
    (inputs, targets), val = ((torch.from_numpy(x), torch.from_numpy(y)) for x, y in digits.load(seed))
    model = nn.Sequential(
        nn.Linear(digits.NUM_FEATURES, digits.WIDTH), nn.ReLU(), nn.Linear(digits.WIDTH, digits.NUM_CLASSES)
    )
    optimizer = torch.optim.Adam(model.parameters(), lr=lr, fused=True)
    best_loss, best = float("inf"), {}
    with open(folder / "metrics.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for epoch in range(1, NUM_EPOCHS + 1):
            model.train()
            for ids in torch.randperm(len(inputs)).split(digits.BATCH_SIZE):
                optimizer.zero_grad()
                F.cross_entropy(model(inputs[ids]), targets[ids]).backward()
                optimizer.step()
            measured = (*evaluate(model, inputs, targets), *evaluate(model, *val))
            writer.writerow([epoch, *measured])
            if measured[2] < best_loss:
                best_loss = measured[2]
                best = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    torch.save({"model": best, "lr": lr, "seed": seed, "val_loss": best_loss}, folder / "best.pt")
    return best_loss


if __name__ == "__main__":
    sweep(Path(tempfile.mkdtemp()), run)
