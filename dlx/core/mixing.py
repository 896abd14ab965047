"""Mixtures of examples. B batch, K others in each."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from dlx.core.types import Batch, Mixed

if TYPE_CHECKING:
    import torch
    from torch import Tensor


class Partners(NamedTuple):
    """Who is mixed with whom: rows [B], and the share that each example keeps, drawn for the whole batch."""

    rows: Tensor
    share: float


def draw_partners(size: int, alpha: float, generator: torch.Generator) -> Partners:
    """Draw a permutation of B examples and a share from Beta(alpha, alpha)."""
    import numpy as np
    import torch

    rows = torch.randperm(size, generator=generator)
    # torch has no beta distribution that takes a generator.
    seed = int(torch.randint(2**63 - 1, (), generator=generator))
    return Partners(rows, float(np.random.default_rng(seed).beta(alpha, alpha)))


def mixed(batch: Batch, inputs: Tensor, rows: Tensor, share: float) -> Batch:
    """Return a batch of mixtures, which may have been some before.

    Args:
        inputs: [B, ...], of which `share` is each example's own and the rest that of the example in its place of rows.
    """
    import torch

    others, shares = batch.targets[rows].unsqueeze(1), batch.inputs.new_full((len(rows), 1), 1 - share)
    if batch.mixed is not None:
        theirs = batch.mixed.shares[rows]
        others = torch.cat([batch.mixed.targets, others, batch.mixed.targets[rows]], dim=1)
        shares = torch.cat([batch.mixed.shares * share, shares * (1 - theirs.sum(dim=1, keepdim=True)),
                            theirs * (1 - share)], dim=1)
    return batch._replace(inputs=inputs, mixed=Mixed(others, shares))
