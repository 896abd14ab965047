"""The processes that train one run together, data-parallel: each takes its share of every batch.

B batch, R members, W processes, of which this is number `rank`.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import torch
from torch import Tensor, distributed

from dlx.core.types import Batch

# For the last results, which the first process alone computes and writes.
LONGEST_WAIT = timedelta(days=1)


class LostRankError(Exception):
    """Another process of the run does not answer: it died."""


class Ranks:
    """A run in one process: the whole batch is its share, and there is nobody to add up with."""

    rank = 0
    size = 1

    def window(self, count: int) -> tuple[int, int]:
        """Return where this process's share of `count` rows begins and ends."""
        return 0, count

    def share(self, batch: Batch, num_members: int) -> Batch:
        """Return this process's rows of each member's B examples; they are the current ones until the next call."""
        return batch

    def whole(self, x: Tensor) -> Tensor:
        """Return an empty tensor like x, which has the current rows, with the rows of all processes."""
        return torch.empty_like(x, memory_format=torch.contiguous_format)

    def own(self, whole: Tensor, num_members: int) -> Tensor:
        """Return the current rows of a tensor that `whole` made."""
        return whole

    def mean(self, losses: Tensor, num_members: int) -> Tensor:
        """Return this process's part of each member's mean loss over B, [R]: the parts of all sum up to it."""
        return losses.view(num_members, -1).mean(dim=1)

    def sum(self, tensor: Tensor) -> None:
        """Add up a tensor over the processes, in place. All get the same bits."""

    def sum_in_order(self, tensor: Tensor) -> Tensor:
        """Return the sum over the processes whose bits do not depend on what else is in the tensor."""
        return tensor

    def most(self, tensor: Tensor) -> None:
        """Take the maximum of a tensor over the processes, in place."""


class Processes(Ranks):
    """One of several processes, within torch's process group.

    total: B of the current batch; counts: whether the current rows are this process's own.
    """

    def __init__(self) -> None:
        self.rank = distributed.get_rank()
        self.size = distributed.get_world_size()
        self.total, self._start, self._end, self.counts = 1, 0, 1, True

    def window(self, count: int) -> tuple[int, int]:
        return self.rank * count // self.size, (self.rank + 1) * count // self.size

    def share(self, batch: Batch, num_members: int) -> Batch:
        self.total = len(batch.targets) // num_members
        self._start, self._end = self.window(self.total)
        self.counts = self._start < self._end
        if not self.counts:
            # Models need not take a batch of none: an example of another process's is computed, and counts 0.
            self._start, self._end = self.total - 1, self.total
        return batch.map(lambda tensor: rows_of(tensor, num_members, self._start, self._end))

    def whole(self, x: Tensor) -> Tensor:
        rows = len(x) // (self._end - self._start) * self.total
        return x.new_empty(rows, *x.shape[1:])

    def own(self, whole: Tensor, num_members: int) -> Tensor:
        rows_each = len(whole) // (num_members * self.total)
        return rows_of(whole, num_members, self._start * rows_each, self._end * rows_each)

    def mean(self, losses: Tensor, num_members: int) -> Tensor:
        total = losses.view(num_members, -1).sum(dim=1) / self.total
        return total if self.counts else total * 0.0

    def sum(self, tensor: Tensor) -> None:
        with _lost_rank():
            distributed.all_reduce(tensor)

    def sum_in_order(self, tensor: Tensor) -> Tensor:
        # A ring adds each part of a tensor up in an order of its own, so that bits change with the tensor's length.
        parts = [torch.empty_like(tensor) for _ in range(self.size)]
        with _lost_rank():
            distributed.all_gather(parts, tensor)
        total = parts[0]
        for part in parts[1:]:
            total = total + part
        return total

    def most(self, tensor: Tensor) -> None:
        with _lost_rank():
            distributed.all_reduce(tensor, distributed.ReduceOp.MAX)


def rows_of(tensor: Tensor, num_members: int, start: int, end: int) -> Tensor:
    """Return rows start to end of each member's, of a tensor [R·B, ...]."""
    return tensor.view(num_members, -1, *tensor.shape[1:])[:, start:end].flatten(0, 1)


ALONE = Ranks()


def ranks_here() -> Ranks:
    """Return what this process is: one of those that `join_group` joined, or alone."""
    return Processes() if distributed.is_available() and distributed.is_initialized() else ALONE


@contextlib.contextmanager
def join_group(rank: int, size: int, device: str, meeting: Path) -> Iterator[None]:
    """Join the processes of a run on this machine for the block: over loopback, or between its GPUs.

    Who is done waits for the others: leaving would reset connections from which they may still read.

    Args:
        device: "cpu" or "cuda"; process number r computes on GPU number r.
        meeting: a file that all of them can write and nobody else; nothing listens on the network to meet.
    """
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo0" if sys.platform == "darwin" else "lo")
    if device == "cuda":
        torch.cuda.set_device(rank)
    backend = "cpu:gloo,cuda:nccl" if device == "cuda" else "gloo"
    store = distributed.FileStore(str(meeting), size)  # type: ignore[attr-defined]
    distributed.init_process_group(backend, store=store, rank=rank, world_size=size)
    try:
        yield
        store.set(f"left-{rank}", "1")
        store.wait([f"left-{other}" for other in range(size)], LONGEST_WAIT)
    finally:
        distributed.destroy_process_group()


@contextlib.contextmanager
def _lost_rank() -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        raise LostRankError(str(error).split("\n")[0]) from error
