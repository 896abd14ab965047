"""The input path of MNIST with torchvision's random crop and rotation in a DataLoader, one thread, no workers."""

from __future__ import annotations

import os
from time import perf_counter

import mnist_dataloader  # what lets torchvision be imported beside a CPU build of torch
import torch
from torch.utils.data import DataLoader, RandomSampler
from torchvision import datasets, transforms
from torchvision.transforms import InterpolationMode, v2

NUM_ROWS = 10_000  # of an epoch: the time of a row does not depend on it
PADDING, DEGREES = 4, 15


def pipeline(kind: str, interpolation: InterpolationMode) -> object:
    """Return the transforms: "v1" and "v2" work on PIL images and convert them at the end, "tensors" before."""
    library = transforms if kind == "v1" else v2
    changes = [library.RandomCrop(28, padding=PADDING), library.RandomRotation(DEGREES, interpolation)]
    to_floats = v2.ToDtype(torch.float32, scale=True)
    if kind == "tensors":
        return v2.Compose([v2.ToImage(), *changes, to_floats])
    return library.Compose([*changes, *([transforms.ToTensor()] if kind == "v1" else [v2.ToImage(), to_floats])])


def sample_seconds(num_epochs: int, kind: str, interpolation: str) -> list[float]:
    """Return the seconds of an example in each epoch."""
    if "DLX_DATA_DIR" not in os.environ:
        raise SystemExit("DLX_DATA_DIR must name the folder that holds MNIST/raw")
    transform = pipeline(kind, InterpolationMode(interpolation))
    rows = datasets.MNIST(os.environ["DLX_DATA_DIR"], transform=transform)
    loader = DataLoader(
        rows, mnist_dataloader.BATCH_SIZE, sampler=RandomSampler(rows, num_samples=NUM_ROWS), num_workers=0
    )
    seconds = []
    for _ in range(num_epochs):
        start = perf_counter()
        for _batch in loader:
            pass
        seconds.append((perf_counter() - start) / NUM_ROWS)
    return seconds
