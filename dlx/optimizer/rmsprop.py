"""RMSprop."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from dlx.core.ranges import NonNegative, Positive, Rate

if TYPE_CHECKING:
    import torch
    from torch.optim.optimizer import ParamsT


class RMSprop:
    """w ← w - lr · b, with b ← momentum · b + g / (√v + eps) and v a moving average of g²; centered: v less that of g,
    squared.

    Source: Hinton, Neural networks for machine learning, lecture 6, 2012; centered: Graves, Generating sequences with
    recurrent neural networks, 2013; torch.optim.RMSprop.

    Args:
        lr: base learning rate, in (0, inf).
        alpha: decay of the moving averages, in [0, 1).
        eps: in (0, inf).
        momentum: in [0, 1).
        centered: divide by an estimate of the gradient's standard deviation.
        weight_decay: coupled L2, added to the gradient before the average, in [0, inf).
    """

    MEMBER_VALUES: ClassVar[tuple[str, ...]] = ("lr", "alpha", "eps", "momentum", "centered", "weight_decay")

    def __init__(self, lr: Positive, alpha: Rate, eps: Positive, momentum: Rate, centered: bool,
                 weight_decay: NonNegative) -> None:
        self.lr = lr
        self.alpha = alpha
        self.eps = eps
        self.momentum = momentum
        self.centered = centered
        self.weight_decay = weight_decay

    def __call__(self, params: ParamsT) -> torch.optim.Optimizer:
        """Return the optimizer over the parameters."""
        import torch

        return torch.optim.RMSprop(params, lr=self.lr, alpha=self.alpha, eps=self.eps, momentum=self.momentum,
                                   centered=self.centered, weight_decay=self.weight_decay)
