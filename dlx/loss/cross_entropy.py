"""Cross entropy of the true class. R members, B batch, L positions, N rows, C classes."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, Self

from dlx.core.class_weights import ClassWeights, class_weights, of_rows
from dlx.core.likelihood import asked_or_first, mean_over_positions, negative_log_likelihood
from dlx.core.losses import trains
from dlx.core.members import per_example
from dlx.core.ranges import Rate
from dlx.core.types import Kind, TaskSpec

if TYPE_CHECKING:
    from torch import Tensor


class CrossEntropy:
    """-Σ_c w_c · q_c · log softmax(logits)_c, in nats, per example; q is 1 at the target, or smoothed in training.

    Of a sequence it is the mean over the positions of which something is asked.

    With label smoothing s, q is (1 - s) at the target plus s / C everywhere (Szegedy et al., Rethinking the Inception
    architecture, 2016, section 7). A batch's loss is the plain mean of its examples': it is not divided by the sum of
    their weights, which is what torch's mean does; balanced weights have mean 1 over train. Evaluation neither smooths
    nor weighs: train_eval, val and test are measured against the labels as they are.

    Args:
        label_smoothing: s, in [0, 1).
        class_weights: w, a list of C, each in [0, inf); or "balanced", n / (C · n_c) of n train targets, n_c of class
            c; null weighs all alike.
    """

    kinds: ClassVar[tuple[Kind, ...]] = ("classification", "sequence")
    MEMBER_VALUES: ClassVar[tuple[str, ...]] = ("label_smoothing",)

    def __init__(self, label_smoothing: Rate, class_weights: ClassWeights) -> None:
        self.label_smoothing: float | Tensor = label_smoothing
        self.class_weights = class_weights
        self._weights: Tensor | None = None
        self._asked: tuple[Tensor, bool] | None = None

    def knowing(self, targets: Sequence[Tensor], spec: TaskSpec) -> Self:
        """Return the loss with the weights [R, C] that the train targets of the members make."""
        known = copy.copy(self)
        known._weights = class_weights(self.class_weights, "loss.class_weights", targets, spec)
        return known

    def __call__(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Map logits [R·B, C] and class indices [R·B], or [R·B, L, C] and [R·B, L], to losses [R·B]."""
        if targets.ndim == 1:
            return self._of_rows(outputs, targets)
        losses = self._of_rows(outputs.flatten(0, 1), asked_or_first(targets).flatten())
        return mean_over_positions(losses.view(targets.shape), targets)

    def _of_rows(self, outputs: Tensor, targets: Tensor) -> Tensor:
        import torch
        from torch.nn.functional import cross_entropy

        smoothing = self.label_smoothing
        if not torch.is_grad_enabled():
            return negative_log_likelihood(outputs, targets)
        if not trains():
            return cross_entropy(outputs, targets, reduction="none")
        if self._weights is not None:
            return self._weighted(outputs, targets, self._weights)
        if isinstance(smoothing, float | int):
            return cross_entropy(outputs, targets, reduction="none", label_smoothing=smoothing)
        from dlx.core.smoothed import smoothed_cross_entropy

        if self._asked is None or self._asked[0] is not smoothing:
            # Once: on a GPU the answer has to be waited for.
            self._asked = smoothing, bool(smoothing.any())
        return smoothed_cross_entropy(outputs, targets, smoothing if self._asked[1] else None)

    def _weighted(self, outputs: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
        terms = -of_rows(weights.to(outputs.dtype), len(outputs)) * outputs.log_softmax(dim=1)
        own, everywhere = terms.gather(1, targets[:, None])[:, 0], terms.mean(dim=1)
        shares = per_example(self.label_smoothing, own)
        return (1 - shares) * own + shares * everywhere
