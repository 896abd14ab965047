"""Penalty on confident predictions. B batch, C classes, R members."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from dlx.core.ranges import NonNegative
from dlx.core.types import Kind

if TYPE_CHECKING:
    from torch import Tensor

    from dlx.core.hooks import Moment


class ConfidencePenalty:
    """Adds -strength · H(p) to each example's loss, with the entropy H of p = softmax(logits) in nats.

    Source: Pereyra, Tucker, Chorowski, Kaiser and Hinton, Regularizing neural networks by penalizing confident output
    distributions, 2017.

    Args:
        strength: in [0, inf).
    """

    MEMBER_VALUES: ClassVar[tuple[str, ...]] = ("strength",)
    reads_logits: ClassVar[bool] = True
    kinds: ClassVar[tuple[Kind, ...]] = ("classification",)

    def __init__(self, strength: NonNegative) -> None:
        self.strength = strength

    def output_penalty(self, inputs: Tensor, outputs: Tensor, moment: Moment) -> Tensor:
        """Map logits [R·B, C] to penalties [R·B], from -strength · log C to 0."""
        from dlx.core.members import per_example

        log_probs = outputs.log_softmax(dim=1)
        negative_entropy = (log_probs.exp() * log_probs).sum(dim=1)
        return per_example(self.strength, negative_entropy) * negative_entropy
