"""Draws for R members at once, each from its own stream. R members, B batch."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from dlx.core.random import torch_generator
from dlx.core.ranks import ALONE, Ranks


@dataclass
class Draws:
    """The streams (seed, purpose, step) of R members.

    Args:
        seeds: of the members.
        purpose: what is drawn.
        step: counted from 0.
        ranks: the processes that share each batch.
    """

    seeds: Sequence[int]
    purpose: str
    step: int
    ranks: Ranks = ALONE

    @functools.cached_property
    def _generators(self) -> list[torch.Generator]:
        # Most hooks draw nothing, and generators of 64 members take half a millisecond.
        return [torch_generator(seed, self.purpose, self.step) for seed in self.seeds]

    def normal(self, like: Tensor) -> Tensor:
        """Return standard normal draws of the shape [R, ...], the same whatever the other members."""
        own = [torch.randn(like.shape[1:], dtype=like.dtype, generator=generator) for generator in self._generators]
        return torch.stack(own).to(like.device)

    def normal_of_examples(self, like: Tensor) -> Tensor:
        """Return standard normal draws for the examples of this process, [R·B, ...]."""
        return self._of_examples(like, torch.randn)

    def uniform_of_examples(self, like: Tensor) -> Tensor:
        """Return uniform draws in [0, 1) for the examples of this process, [R·B, ...]."""
        return self._of_examples(like, torch.rand)

    def _of_examples(self, like: Tensor, draw: Callable[..., Tensor]) -> Tensor:
        # For the batch of all processes, so that draws are the same whatever their number.
        whole = self.ranks.whole(like)
        shape = (len(whole) // len(self.seeds), *like.shape[1:])
        own = [draw(shape, dtype=like.dtype, generator=generator) for generator in self._generators]
        return self.ranks.own(torch.cat(own).to(like.device), len(self.seeds))
