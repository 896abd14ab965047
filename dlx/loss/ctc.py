"""Connectionist temporal classification. B batch, L positions, C classes, U labels."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from dlx.core.ctc import BLANK
from dlx.core.types import IGNORED, Kind

if TYPE_CHECKING:
    from torch import Tensor


class CTC:
    """-log Σ p(path) over the paths that say the target, divided by the number of its labels, in nats, per example.

    Source: Graves, Fernández, Gomez and Schmidhuber, Connectionist temporal classification, 2006. A path has a class at
    every position, whose probability is the product of theirs; it says its classes without repetitions, then without
    blanks, class 0. An empty target divides by 1. No infinity is replaced by zero (`zero_infinity` of torch): examples
    whose targets need more positions than there are, which alone make one, are refused before training.
    """

    kinds: ClassVar[tuple[Kind, ...]] = ("transcription",)

    def __call__(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Map logits [B, L, C] and labels [B, U], IGNORED after the last, to losses [B]."""
        import torch
        from torch.nn.functional import ctc_loss

        asked = targets != IGNORED
        lengths = asked.sum(dim=1)
        positions = torch.full_like(lengths, outputs.shape[1])
        log_probs = outputs.log_softmax(dim=2).transpose(0, 1)
        nats = ctc_loss(log_probs, targets * asked, positions, lengths, blank=BLANK, reduction="none")
        return nats / lengths.clamp(min=1)
