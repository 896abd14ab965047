"""Stochastic gradient descent."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from dlx.core.errors import ConfigError
from dlx.core.ranges import Fraction, NonNegative, Positive, Rate

if TYPE_CHECKING:
    import torch
    from torch.optim.optimizer import ParamsT


class SGD:
    """w ← w - lr · v, with v ← momentum · v + g + weight_decay · w; Nesterov looks ahead along v.

    Source: Sutskever, Martens, Dahl and Hinton, On the importance of initialization and momentum in deep learning,
    2013; torch.optim.SGD.

    Args:
        lr: base learning rate, in (0, inf).
        momentum: in [0, 1).
        nesterov: needs momentum above 0.
        weight_decay: coupled L2, the gradient of weight_decay/2 · |w|², in [0, inf).

    Raises:
        ConfigError: nesterov without momentum.
    """

    MEMBER_VALUES: ClassVar[tuple[str, ...]] = ("lr", "momentum", "nesterov", "weight_decay")

    def __init__(self, lr: Positive, momentum: Rate, nesterov: bool, weight_decay: NonNegative) -> None:
        if nesterov and momentum == 0:
            raise ConfigError("optimizer.nesterov=true needs optimizer.momentum above 0, got 0")
        self.lr = lr
        self.momentum = momentum
        self.nesterov = nesterov
        self.weight_decay = weight_decay

    def __call__(self, params: ParamsT) -> torch.optim.Optimizer:
        """Return the optimizer over the parameters."""
        import torch

        return torch.optim.SGD(params, lr=self.lr, momentum=self.momentum, nesterov=self.nesterov,
                               weight_decay=self.weight_decay, fused=True)


class Momentum(SGD):
    """w ← w - lr · v, with v ← momentum · v + g + weight_decay · w.

    Source: Polyak, Some methods of speeding up the convergence of iteration methods, 1964; torch.optim.SGD.

    Args:
        lr: base learning rate, in (0, inf).
        momentum: in (0, 1).
        weight_decay: coupled L2, the gradient of weight_decay/2 · |w|², in [0, inf).
    """

    OPTION: ClassVar[str] = "momentum"
    MEMBER_VALUES: ClassVar[tuple[str, ...]] = ("lr", "momentum", "weight_decay")

    def __init__(self, lr: Positive, momentum: Fraction, weight_decay: NonNegative) -> None:
        super().__init__(lr, momentum, False, weight_decay)


class Nesterov(SGD):
    """w ← w - lr · (g + momentum · v), with v ← momentum · v + g and g that of the loss + weight_decay · w.

    Source: Nesterov, A method of solving a convex programming problem with convergence rate O(1/k²), 1983, in the form
    of Sutskever et al. 2013; torch.optim.SGD.

    Args:
        lr: base learning rate, in (0, inf).
        momentum: in (0, 1).
        weight_decay: coupled L2, the gradient of weight_decay/2 · |w|², in [0, inf).
    """

    OPTION: ClassVar[str] = "nesterov"
    MEMBER_VALUES: ClassVar[tuple[str, ...]] = ("lr", "momentum", "weight_decay")

    def __init__(self, lr: Positive, momentum: Fraction, weight_decay: NonNegative) -> None:
        super().__init__(lr, momentum, True, weight_decay)
