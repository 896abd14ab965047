"""The loop a careful user writes by hand for images larger than memory: mapped, read ahead in a thread."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from time import perf_counter

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from large_images import BATCH_SIZE, NUM_CLASSES, NUM_IMAGES, SHAPE, images
from torch import Tensor, nn

torch.set_num_threads(1)

NUM_TRAIN = NUM_IMAGES * 6 // 10
MEAN, DEVIATION = 0.45, 0.21


def epoch_seconds() -> list[float]:
    """Return the seconds of an epoch of training on 60 % of the rows."""
    path, target_path = images()
    inputs, targets = np.load(path, mmap_mode="r"), torch.from_numpy(np.load(target_path))
    model = nn.Sequential(nn.Flatten(), nn.Linear(int(np.prod(SHAPE)), NUM_CLASSES))
    optimizer = torch.optim.Adam(model.parameters(), fused=True)
    train = torch.randperm(NUM_IMAGES)[:NUM_TRAIN]

    def read(ids: Tensor) -> Tensor:
        rows = torch.from_numpy(inputs[ids.numpy()]).float()
        return rows.div_(255).sub_(MEAN).div_(DEVIATION)

    start = perf_counter()
    batches = [ids.sort().values for ids in train[torch.randperm(NUM_TRAIN)].split(BATCH_SIZE)]
    with ThreadPoolExecutor(1) as pool:
        following = pool.submit(read, batches[0])
        for number, ids in enumerate(batches):
            rows = following.result()
            if number + 1 < len(batches):
                following = pool.submit(read, batches[number + 1])
            optimizer.zero_grad()
            F.cross_entropy(model(rows), targets[ids]).backward()
            optimizer.step()
    return [perf_counter() - start]
