"""One split of several members as tensors. N examples of one member's split, R members, S and T distinct sources."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from dlx.core.types import Split


class Feed(NamedTuple):
    """One split of R members, of N examples each.

    inputs [S·N, ...]: the S distinct ones, one after the other; targets [T·N] likewise; ids [R, N]; sources,
    target_sources: which inputs and which targets are each member's, R indices.
    """

    inputs: Tensor
    targets: Tensor
    ids: Tensor
    sources: tuple[int, ...]
    target_sources: tuple[int, ...]

    def between(self, start: int, end: int) -> Feed:
        """Return the feed of every member's examples from start to end."""
        num_examples = self.ids.shape[1]
        if (start, end) == (0, num_examples):
            return self
        inputs, targets = (tensor.view(-1, num_examples, *tensor.shape[1:])[:, start:end].flatten(0, 1)
                           for tensor in (self.inputs, self.targets))
        return self._replace(inputs=inputs, targets=targets, ids=self.ids[:, start:end])

    def windows(self, rows: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield (inputs [R·n, ...], targets [R·n, ...]) of the next n ≤ rows examples of every member."""
        num_examples = self.ids.shape[1]
        inputs, targets = (tensor.view(-1, num_examples, *tensor.shape[1:]) for tensor in (self.inputs, self.targets))
        for low in range(0, num_examples, rows):
            yield tuple(tensor[_which(sources), low : low + rows].flatten(0, 1) for tensor, sources
                        in ((inputs, self.sources), (targets, self.target_sources)))  # type: ignore[misc]


def _which(sources: tuple[int, ...]) -> slice | list[int]:
    return slice(None) if sources == tuple(range(len(sources))) else [*sources]


def feed(splits: Sequence[Split]) -> Feed:
    """Join the same split of R members, of equal size; what several members share is kept once."""
    inputs, sources = _joined([split.inputs for split in splits])
    targets, target_sources = _joined([split.targets for split in splits])
    return Feed(inputs, targets, torch.stack([split.ids for split in splits]), sources, target_sources)


def _joined(tensors: Sequence[Tensor]) -> tuple[Tensor, tuple[int, ...]]:
    distinct = list({id(tensor): tensor for tensor in tensors}.values())
    numbers = {id(tensor): index for index, tensor in enumerate(distinct)}
    joined = distinct[0] if len(distinct) == 1 else torch.cat(distinct)
    return joined, tuple(numbers[id(tensor)] for tensor in tensors)
