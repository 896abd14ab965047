"""Adadelta."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from dlx.core.ranges import NonNegative, Positive, Rate

if TYPE_CHECKING:
    import torch
    from torch.optim.optimizer import ParamsT


class Adadelta:
    """w ← w - lr · Δ, with Δ = g · √(u + eps) / √(v + eps), v and u moving averages of g² and Δ².

    Source: Zeiler, ADADELTA: an adaptive learning rate method, 2012, algorithm 1, where lr is 1; torch.optim.Adadelta.

    Args:
        lr: base learning rate, in (0, inf).
        rho: decay of both averages, in [0, 1).
        eps: in (0, inf); the first steps are of its square root.
        weight_decay: coupled L2, added to the gradient before the averages, in [0, inf).
    """

    MEMBER_VALUES: ClassVar[tuple[str, ...]] = ("lr", "rho", "eps", "weight_decay")

    def __init__(self, lr: Positive, rho: Rate, eps: Positive, weight_decay: NonNegative) -> None:
        self.lr = lr
        self.rho = rho
        self.eps = eps
        self.weight_decay = weight_decay

    def __call__(self, params: ParamsT) -> torch.optim.Optimizer:
        """Return the optimizer over the parameters."""
        import torch

        return torch.optim.Adadelta(params, lr=self.lr, rho=self.rho, eps=self.eps, weight_decay=self.weight_decay)
