"""Rectified Adam."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar

from dlx.core.ranges import Length, NonNegative, Positive, Rate

if TYPE_CHECKING:
    import torch
    from torch.optim.optimizer import ParamsT


class RAdam:
    """w ← w - lr · r · m̂ / (√v̂ + eps), r the rectification of v̂'s variance; w - lr · m̂ while that is intractable.

    Source: Liu, Jiang, He, Chen, Liu, Gao and Han, On the variance of the adaptive learning rate and beyond, 2020,
    algorithm 2; torch.optim.RAdam, to which it is tractable at more than 5 degrees of freedom, to the paper at 4.

    Args:
        lr: base learning rate, in (0, inf).
        betas: decay of the moving averages m of g and v of g², each in [0, 1).
        eps: in (0, inf).
        weight_decay: coupled L2, added to the gradient before the averages, in [0, inf).
    """

    MEMBER_VALUES: ClassVar[tuple[str, ...]] = ("lr", "betas", "eps", "weight_decay")

    def __init__(self, lr: Positive, betas: Annotated[list[Rate], Length(2)], eps: Positive, weight_decay: NonNegative
                 ) -> None:
        self.lr = lr
        self.betas = (betas[0], betas[1])
        self.eps = eps
        self.weight_decay = weight_decay

    def __call__(self, params: ParamsT) -> torch.optim.Optimizer:
        """Return the optimizer over the parameters."""
        import torch

        return torch.optim.RAdam(params, lr=self.lr, betas=self.betas, eps=self.eps, weight_decay=self.weight_decay)
