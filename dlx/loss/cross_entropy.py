"""Cross entropy of the true class."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from dlx.core.likelihood import asked_or_first, mean_over_positions, negative_log_likelihood
from dlx.core.ranges import Rate
from dlx.core.types import Kind

if TYPE_CHECKING:
    from torch import Tensor


class CrossEntropy:
    """-Σ_c q_c · log softmax(logits)_c, in nats, per example; q is 1 at the target, or smoothed in training.

    Of a sequence it is the mean over the positions of which something is asked.

    With label smoothing s, q is (1 - s) at the target plus s / C everywhere (Szegedy et al., Rethinking the Inception
    architecture, 2016, section 7). Evaluation never smooths: train_eval, val and test are measured against the labels.

    Args:
        label_smoothing: s, in [0, 1).
    """

    kinds: ClassVar[tuple[Kind, ...]] = ("classification", "sequence")
    MEMBER_VALUES: ClassVar[tuple[str, ...]] = ("label_smoothing",)

    def __init__(self, label_smoothing: Rate) -> None:
        self.label_smoothing: float | Tensor = label_smoothing
        self._asked: tuple[Tensor, bool] | None = None

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
        if isinstance(smoothing, float | int):
            return cross_entropy(outputs, targets, reduction="none", label_smoothing=smoothing)
        from dlx.core.smoothed import smoothed_cross_entropy

        if self._asked is None or self._asked[0] is not smoothing:
            # Once: on a GPU the answer has to be waited for.
            self._asked = smoothing, bool(smoothing.any())
        return smoothed_cross_entropy(outputs, targets, smoothing if self._asked[1] else None)
