"""Mixup."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from dlx.core.ranges import Positive
from dlx.core.types import Batch, Kind, Layout

if TYPE_CHECKING:
    import torch


class Mixup:
    """x ← λ x + (1 - λ) x', and the loss is λ · loss(y) + (1 - λ) · loss(y'), with λ ~ Beta(alpha, alpha).

    Source: Zhang, Cisse, Dauphin and Lopez-Paz, mixup: beyond empirical risk minimization, 2018. x' is another example
    of the batch; λ is drawn once for each batch. Evaluation never mixes.

    Args:
        alpha: in (0, inf); near 0 hardly anything is mixed, 1 draws λ evenly.
    """

    MEMBER_VALUES: ClassVar[tuple[str, ...]] = ("alpha",)
    mixes: ClassVar[bool] = True
    layouts: ClassVar[tuple[Layout, ...]] = ("image", "table")
    kinds: ClassVar[tuple[Kind, ...]] = ("classification", "regression", "multilabel")

    def __init__(self, alpha: Positive) -> None:
        self.alpha = alpha

    def on_batch(self, batch: Batch, generator: torch.Generator) -> Batch:
        """Return the batch of mixtures [B, ...]."""
        from dlx.core.mixing import draw_partners, mixed

        rows, share = draw_partners(len(batch.inputs), self.alpha, generator)
        rows = rows.to(batch.inputs.device)
        return mixed(batch, batch.inputs * share + batch.inputs[rows] * (1 - share), rows, share)
