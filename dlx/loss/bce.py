"""Binary cross entropy of every class. B batch, C classes."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from dlx.core.types import Kind

if TYPE_CHECKING:
    from torch import Tensor


class BCE:
    """The mean over classes of -t_c · log σ(o_c) - (1 - t_c) · log (1 - σ(o_c)), in nats, per example.

    σ is the logistic function, t_c is 1 where class c holds and else 0. Of multilabel, σ(o_c) is the probability of
    label c. Of a classification, where one class holds, this is one against the rest (Rifkin and Klautau 2004): the
    probabilities are σ(o_c) divided by their sum.
    """

    kinds: ClassVar[tuple[Kind, ...]] = ("classification", "multilabel")

    def __call__(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Map outputs [B, C] and class indices [B], or whether each label holds [B, C], to losses [B]."""
        from torch.nn.functional import binary_cross_entropy_with_logits, one_hot

        holds = one_hot(targets, outputs.shape[1]) if targets.ndim == 1 else targets
        return binary_cross_entropy_with_logits(outputs, holds.to(outputs.dtype), reduction="none").mean(dim=1)

    def logits(self, outputs: Tensor, kind: Kind) -> Tensor:
        """Return log σ(o) [B, C] of a classification, whose softmax is σ(o) / Σ σ(o); of multilabel the outputs."""
        from torch.nn.functional import logsigmoid

        return logsigmoid(outputs) if kind == "classification" else outputs
