"""One split of several members as tensors. N examples of one member's split, R members, S and T distinct sources."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from dlx.core.types import Split
from dlx.engine.stored import Stored, joined, read_ahead


class Feed(NamedTuple):
    """One split of R members, of N examples each.

    inputs [S·N, ...]: the S distinct ones, one after the other; targets [T·N] likewise; ids [R, N]; sources,
    target_sources: which inputs and which targets are each member's, R indices.
    """

    inputs: Tensor | Stored
    targets: Tensor
    ids: Tensor
    sources: tuple[int, ...]
    target_sources: tuple[int, ...]

    def between(self, start: int, end: int) -> Feed:
        """Return the feed of every member's examples from start to end."""
        if (start, end) == (0, self.ids.shape[1]):
            return self
        inputs = self.inputs.between(start, end) if isinstance(self.inputs, Stored) else \
            self._by_source(self.inputs)[:, start:end].flatten(0, 1)
        targets = self._by_source(self.targets)[:, start:end].flatten(0, 1)
        return self._replace(inputs=inputs, targets=targets, ids=self.ids[:, start:end])

    def windows(self, rows: int) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """Yield (inputs [R·n, ...], targets [R·n, ...], ids [R, n]) of the next n ≤ rows examples of every member."""
        places = [slice(low, low + rows) for low in range(0, self.ids.shape[1], rows)]
        with read_ahead(isinstance(self.inputs, Stored)) as results:
            yield from results(functools.partial(self._window, place) for place in places)

    def _window(self, place: slice) -> tuple[Tensor, Tensor, Tensor]:
        if isinstance(self.inputs, Stored):
            within = torch.arange(self.ids.shape[1])[place]
            chosen = torch.tensor(self.sources)[:, None] * self.ids.shape[1] + within
            inputs = self.inputs.index_select(0, chosen.flatten())
        else:
            inputs = self._by_source(self.inputs)[_which(self.sources), place].flatten(0, 1)
        targets = self._by_source(self.targets)[_which(self.target_sources), place].flatten(0, 1)
        return inputs, targets, self.ids[:, place]

    def _by_source(self, values: Tensor) -> Tensor:
        return values.view(-1, self.ids.shape[1], *values.shape[1:])


def _which(sources: tuple[int, ...]) -> slice | list[int]:
    return slice(None) if sources == tuple(range(len(sources))) else [*sources]


def feed(splits: Sequence[Split]) -> Feed:
    """Join the same split of R members, of equal size; what several members share is kept once."""
    inputs, sources = _distinct([split.inputs for split in splits])
    targets, target_sources = _distinct([split.targets for split in splits])
    both = joined(inputs) if isinstance(inputs[0], Stored) else _joined(inputs)
    return Feed(both, _joined(targets), torch.stack([split.ids for split in splits]), sources, target_sources)


def _distinct(values: Sequence[Any]) -> tuple[list[Any], tuple[int, ...]]:
    distinct = list({id(value): value for value in values}.values())
    numbers = {id(value): index for index, value in enumerate(distinct)}
    return distinct, tuple(numbers[id(value)] for value in values)


def _joined(tensors: Sequence[Tensor]) -> Tensor:
    return tensors[0] if len(tensors) == 1 else torch.cat(list(tensors))
