"""Inputs that stay where they are, on disk, and are transformed as they are read. N examples, S sources, B batch."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import NamedTuple, TypeVar

import numpy as np
import torch
from torch import Tensor

from dlx.core.blocks import in_blocks, take
from dlx.engine.learnable import check_finite
from dlx.engine.pipeline import Pipeline

Read = TypeVar("Read")


class Source(NamedTuple):
    """The examples of one split of one run: rows [N] of inputs, and what is made of them."""

    inputs: np.ndarray
    rows: np.ndarray
    pipeline: Pipeline


@dataclass(frozen=True)
class Stored:
    """What a tensor of inputs [S·N, ...] would hold, read and transformed when it is asked for.

    Args:
        sources: of equal numbers of examples, one after the other.
        device, dtype: of the tensors that are read.
    """

    sources: tuple[Source, ...]
    device: torch.device
    dtype: torch.dtype

    @property
    def shape(self) -> tuple[int, ...]:
        """That of the tensor."""
        first = self.sources[0]
        return (sum(len(source.rows) for source in self.sources), *first.pipeline.spec.input_shape)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, part: slice) -> Tensor:
        """Read the examples of a slice."""
        return self.index_select(0, torch.arange(len(self))[part])

    def index_select(self, dim: int, places: Tensor) -> Tensor:
        """Read examples by their places [B]."""
        assert dim == 0, dim
        places = places.cpu()
        each = len(self.sources[0].rows)
        numbers, within = places.numpy() // each, places.numpy() % each
        parts = [_read(source, within[numbers == index]) for index, source in enumerate(self.sources)]
        if len(parts) == 1:
            return torch.from_numpy(parts[0]).to(self.device, self.dtype)
        together = np.concatenate([part for part in parts if len(part)])
        order = np.argsort(numbers, kind="stable")
        result = np.empty_like(together)
        result[order] = together
        return torch.from_numpy(result).to(self.device, self.dtype)

    def between(self, start: int, end: int) -> Stored:
        """Return the examples of every source from start to end."""
        return replace(self, sources=tuple(source._replace(rows=source.rows[start:end]) for source in self.sources))


def joined(stored: Sequence[Stored]) -> Stored:
    """Join the inputs of several runs."""
    return replace(stored[0], sources=tuple(source for own in stored for source in own.sources))


def _read(source: Source, within: np.ndarray) -> np.ndarray:
    made: np.ndarray = in_blocks(source.pipeline, take(source.inputs, source.rows[within]))
    check_finite(made, source.pipeline.spec)
    return made


@contextlib.contextmanager
def read_ahead(is_ahead: bool) -> Iterator[Callable[[Iterable[Callable[[], Read]]], Iterator[Read]]]:
    """Return, for the block, a function that yields the results of calls, one call ahead in a thread of its own."""
    if not is_ahead:
        yield lambda calls: (call() for call in calls)
        return
    with ThreadPoolExecutor(1, "dlx-reader") as pool:

        def ahead(calls: Iterable[Callable[[], Read]]) -> Iterator[Read]:
            waiting = None
            for call in calls:
                following = pool.submit(call)
                if waiting is not None:
                    yield waiting.result()
                waiting = following
            if waiting is not None:
                yield waiting.result()

        yield ahead
