"""Squared error of one-hot classes. B batch, C classes."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from dlx.core.simplex import onto_simplex
from dlx.core.types import Kind

if TYPE_CHECKING:
    from torch import Tensor


class MSEOneHot:
    """(1/C) Σ_c (o_c - t_c)², per example; t_c is 1 at the target and else 0.

    Source: Hui and Belkin, Evaluation of neural architectures trained with square loss vs cross-entropy in
    classification tasks, 2021, without the rescaling that they use beyond 42 classes. The outputs are no logits: the
    probabilities are those nearest to the outputs in squared distance, with the same most probable class.
    """

    kinds: ClassVar[tuple[Kind, ...]] = ("classification",)

    def __call__(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Map outputs [B, C] and class indices [B] to losses [B]."""
        from torch.nn.functional import one_hot

        return (outputs - one_hot(targets, outputs.shape[1])).square().mean(dim=1)

    def logits(self, outputs: Tensor, kind: Kind) -> Tensor:
        """Return the logarithms [B, C] of the probabilities, which are at least the smallest number above 0."""
        import torch

        return onto_simplex(outputs).clamp(min=torch.finfo(outputs.dtype).tiny).log()
