"""MNIST as the PyTorch tutorials train it: torchvision's dataset, ToTensor, Normalize, DataLoader."""

from __future__ import annotations

import os
from time import perf_counter

import torch
import torch.nn.functional as F  # noqa: N812
from torch import nn
from torch.utils.data import DataLoader, Subset

torch.set_num_threads(1)

operators = torch.library.Library("torchvision", "DEF")  # torchvision's own, built for CUDA, do not load here
for name in ("nms", "qnms"):
    operators.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")

from torchvision import datasets, transforms  # noqa: E402

NUM_ROWS = 50_000  # of 60,000; the last 10,000 are val
BATCH_SIZE, WIDTH, LR = 64, 128, 1e-3


def loader(num_workers: int) -> DataLoader:
    """Return shuffled training batches of $DLX_DATA_DIR."""
    transform = transforms.Compose([transforms.ToTensor(), transforms.Normalize((0.1307,), (0.3081,))])
    if "DLX_DATA_DIR" not in os.environ:
        raise SystemExit("DLX_DATA_DIR must name the folder that holds MNIST/raw")
    rows = datasets.MNIST(os.environ["DLX_DATA_DIR"], transform=transform)
    return DataLoader(
        Subset(rows, range(NUM_ROWS)),
        batch_size=BATCH_SIZE,
        shuffle=True,
        num_workers=num_workers,
        persistent_workers=num_workers > 0,
    )


def epoch_seconds(num_epochs: int, num_workers: int = 0) -> list[float]:
    """Return the seconds of each epoch of training; nothing is measured."""
    model = nn.Sequential(nn.Flatten(), nn.Linear(784, WIDTH), nn.ReLU(), nn.Linear(WIDTH, 10))
    optimizer = torch.optim.Adam(model.parameters(), lr=LR, fused=True)
    batches = loader(num_workers)
    seconds = []
    for _ in range(num_epochs):
        start = perf_counter()
        for inputs, targets in batches:
            optimizer.zero_grad()
            loss = F.cross_entropy(model(inputs), targets)
            loss.backward()
            optimizer.step()
        seconds.append(perf_counter() - start)
    print(f"loss of the last batch {loss.item():.4f}")
    return seconds


if __name__ == "__main__":
    print(f"{epoch_seconds(1)[0]:.2f} s")
