"""Adam with Nesterov momentum."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar

from dlx.core.ranges import Length, NonNegative, Positive, Rate

if TYPE_CHECKING:
    import torch
    from torch.optim.optimizer import ParamsT


class NAdam:
    """w ← w - lr · (c₁ · m + c₂ · g) / (√v̂ + eps): Adam's step with the momentum of the step to come.

    With μ_t = β₁ · (1 - 0.96^(t · momentum_decay) / 2): c₁ = μ_{t+1} / (1 - μ_1 ⋯ μ_{t+1}), c₂ = (1 - μ_t) / (1 -
    μ_1 ⋯ μ_t).
    Source: Dozat, Incorporating Nesterov momentum into Adam, 2016; torch.optim.NAdam.

    Args:
        lr: base learning rate, in (0, inf).
        betas: decay of the moving averages m of g and v of g², each in [0, 1).
        eps: in (0, inf).
        weight_decay: coupled L2, added to the gradient before the averages, in [0, inf).
        momentum_decay: how fast μ grows to β₁, in [0, inf).
    """

    MEMBER_VALUES: ClassVar[tuple[str, ...]] = ("lr", "betas", "eps", "weight_decay", "momentum_decay")

    def __init__(self, lr: Positive, betas: Annotated[list[Rate], Length(2)], eps: Positive, weight_decay: NonNegative,
                 momentum_decay: NonNegative) -> None:
        self.lr = lr
        self.betas = (betas[0], betas[1])
        self.eps = eps
        self.weight_decay = weight_decay
        self.momentum_decay = momentum_decay

    def __call__(self, params: ParamsT) -> torch.optim.Optimizer:
        """Return the optimizer over the parameters."""
        import torch

        return torch.optim.NAdam(params, lr=self.lr, betas=self.betas, eps=self.eps, weight_decay=self.weight_decay,
                                 momentum_decay=self.momentum_decay)
