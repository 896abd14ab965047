"""Lion."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar

from dlx.core.ranges import Length, NonNegative, Positive, Rate

if TYPE_CHECKING:
    import torch
    from torch.optim.optimizer import ParamsT


class Lion:
    """w ← (1 - lr · weight_decay) · w - lr · sign(β₁ · m + (1 - β₁) · g), then m ← β₂ · m + (1 - β₂) · g.

    Source: Chen, Liang, Huang, Real, Wang, Liu, Pham, Dong, Luong, Hsieh, Lu and Le, Symbolic discovery of optimization
    algorithms, 2023, algorithm 2; they advise a learning rate 3 to 10 times smaller than AdamW's, and a weight decay as
    many times larger.

    Args:
        lr: base learning rate, in (0, inf): how far every weight moves in a step.
        betas: share of m in a step, and decay of m, each in [0, 1).
        weight_decay: decoupled, in [0, inf).
    """

    MEMBER_VALUES: ClassVar[tuple[str, ...]] = ("lr", "betas", "weight_decay")

    def __init__(self, lr: Positive, betas: Annotated[list[Rate], Length(2)], weight_decay: NonNegative) -> None:
        self.lr = lr
        self.betas = (betas[0], betas[1])
        self.weight_decay = weight_decay

    def __call__(self, params: ParamsT) -> torch.optim.Optimizer:
        """Return the optimizer over the parameters."""
        from dlx.core.optim.lion import LionOptimizer

        return LionOptimizer(params, self.lr, self.betas, self.weight_decay)
