"""The loop a careful user writes by hand: tensors in memory, shuffled index slices, no DataLoader."""

from __future__ import annotations

from time import perf_counter

import digits
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

torch.set_num_threads(1)


def step_seconds(num_epochs: int, fused: bool = True) -> list[float]:
    """Return the mean seconds of a training step in each epoch, nothing measured."""
    return [seconds / digits.NUM_STEPS for seconds in train(num_epochs, fused, measure_val=False)]


def epoch_seconds(num_epochs: int, fused: bool = True) -> list[float]:
    """Return the seconds of each epoch: training, then val measured; nothing written."""
    return train(num_epochs, fused, measure_val=True)


def train(num_epochs: int, fused: bool, measure_val: bool, verbose: bool = False) -> list[float]:
    """Train a new model and return the seconds of each epoch.

    Args:
        fused: the update of torch.optim.Adam in one kernel, or its default.
        measure_val: whether loss and accuracy on val are measured after each epoch.
        verbose: whether they are printed.
    """
    (inputs, targets), val = ((torch.from_numpy(x), torch.from_numpy(y)) for x, y in digits.load())
    model = nn.Sequential(
        nn.Linear(digits.NUM_FEATURES, digits.WIDTH), nn.ReLU(), nn.Linear(digits.WIDTH, digits.NUM_CLASSES)
    )
    optimizer = torch.optim.Adam(model.parameters(), lr=digits.LR, fused=fused)
    seconds = []
    for _ in range(num_epochs):
        start = perf_counter()
        model.train()
        for ids in torch.randperm(len(inputs)).split(digits.BATCH_SIZE):
            optimizer.zero_grad()
            F.cross_entropy(model(inputs[ids]), targets[ids]).backward()
            optimizer.step()
        if measure_val:
            loss, accuracy = evaluate(model, *val)
            if verbose:
                print(f"val loss {loss:.4f} accuracy {accuracy:.4f}")
        seconds.append(perf_counter() - start)
    return seconds


@torch.no_grad()
def evaluate(model: nn.Module, inputs: Tensor, targets: Tensor) -> tuple[float, float]:
    """Return the mean loss and the accuracy on a split in eval mode."""
    model.eval()
    logits = model(inputs)
    return F.cross_entropy(logits, targets).item(), (logits.argmax(1) == targets).float().mean().item()


if __name__ == "__main__":
    train(digits.PROCESS_EPOCHS, fused=True, measure_val=True, verbose=True)
