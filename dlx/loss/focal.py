"""Focal loss. R members, B batch, L positions, C classes."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, Self

from dlx.core.class_weights import ClassWeights, class_weights, of_rows
from dlx.core.likelihood import asked_or_first, mean_over_positions
from dlx.core.losses import trains
from dlx.core.members import per_example
from dlx.core.ranges import NonNegative
from dlx.core.types import Kind, TaskSpec

if TYPE_CHECKING:
    from torch import Tensor


class Focal:
    """-α_y · (1 - p_y)^γ · log p_y, in nats, per example; p is softmax(logits), y the target.

    Source: Lin, Goyal, Girshick, He and Dollár, Focal loss for dense object detection, 2017, with classes for their
    single label. Examples that are already right count little; with gamma 0 it is cross entropy. Of a sequence it is
    the mean over the positions of which something is asked. Evaluation does not weigh by alpha.

    Args:
        gamma: γ, in [0, inf).
        alpha: a list of C, each in [0, inf); or "balanced", n / (C · n_c) of n train targets, n_c of class c; null
            weighs all alike.
    """

    kinds: ClassVar[tuple[Kind, ...]] = ("classification", "sequence")
    MEMBER_VALUES: ClassVar[tuple[str, ...]] = ("gamma",)

    def __init__(self, gamma: NonNegative, alpha: ClassWeights) -> None:
        self.gamma: float | Tensor = gamma
        self.alpha = alpha
        self._weights: Tensor | None = None

    def knowing(self, targets: Sequence[Tensor], spec: TaskSpec) -> Self:
        """Return the loss with the weights [R, C] that the train targets of the members make."""
        known = copy.copy(self)
        known._weights = class_weights(self.alpha, "loss.alpha", targets, spec)
        return known

    def __call__(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Map logits [R·B, C] and class indices [R·B], or [R·B, L, C] and [R·B, L], to losses [R·B]."""
        if targets.ndim == 1:
            return self._of_rows(outputs, targets)
        losses = self._of_rows(outputs.flatten(0, 1), asked_or_first(targets).flatten())
        return mean_over_positions(losses.view(targets.shape), targets)

    def _of_rows(self, outputs: Tensor, targets: Tensor) -> Tensor:
        import torch

        own = targets[:, None]
        total = outputs.logsumexp(dim=1)
        nats = total - outputs.gather(1, own)[:, 0]
        # 1 - p of the other classes' own sum: exact where p is nearly 1, and its power has a slope there.
        others = outputs.scatter(1, own, -torch.inf).logsumexp(dim=1) - total
        losses = (per_example(self.gamma, others) * others).exp() * nats
        if self._weights is None or not trains():
            return losses
        return losses * of_rows(self._weights.to(outputs.dtype), len(outputs)).gather(1, own)[:, 0]
