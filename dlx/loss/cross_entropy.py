"""Cross entropy of the true class."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from dlx.core.likelihood import negative_log_likelihood
from dlx.core.types import Kind

if TYPE_CHECKING:
    from torch import Tensor


class CrossEntropy:
    """-log softmax(logits)[target], in nats, per example."""

    kinds: ClassVar[tuple[Kind, ...]] = ("classification",)

    def __call__(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Map logits [B, C] and class indices [B] to losses [B]."""
        import torch
        from torch.nn.functional import cross_entropy

        if torch.is_grad_enabled():
            return cross_entropy(outputs, targets, reduction="none")
        return negative_log_likelihood(outputs, targets)
