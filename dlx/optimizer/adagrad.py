"""AdaGrad."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from dlx.core.ranges import NonNegative, Positive

if TYPE_CHECKING:
    import torch
    from torch.optim.optimizer import ParamsT


class Adagrad:
    """w ← w - lr · g / (√s + eps), with s the sum of all g² so far; lr is divided by 1 + lr_decay · steps taken.

    Source: Duchi, Hazan and Singer, Adaptive subgradient methods for online learning and stochastic optimization, 2011;
    torch.optim.Adagrad.

    Args:
        lr: base learning rate, in (0, inf).
        lr_decay: in [0, inf).
        eps: in (0, inf).
        weight_decay: coupled L2, added to the gradient before it is squared, in [0, inf).
    """

    MEMBER_VALUES: ClassVar[tuple[str, ...]] = ("lr", "lr_decay", "eps", "weight_decay")

    def __init__(self, lr: Positive, lr_decay: NonNegative, eps: Positive, weight_decay: NonNegative) -> None:
        self.lr = lr
        self.lr_decay = lr_decay
        self.eps = eps
        self.weight_decay = weight_decay

    def __call__(self, params: ParamsT) -> torch.optim.Optimizer:
        """Return the optimizer over the parameters."""
        import torch

        return torch.optim.Adagrad(params, lr=self.lr, lr_decay=self.lr_decay, eps=self.eps,
                                   weight_decay=self.weight_decay, fused=True)
