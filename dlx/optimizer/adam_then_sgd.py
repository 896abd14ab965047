"""Adam, then stochastic gradient descent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from dlx.core.hooks import History
from dlx.core.ranges import Count, Length, NonNegative, Positive, Rate
from dlx.core.stalls import epochs_without_improvement

if TYPE_CHECKING:
    import torch
    from torch.optim.optimizer import ParamsT


class AdamThenSGD:
    """Adam's step until a switch between two epochs; then w ← w - sgd_lr · v, with v ← momentum · v + g, v from 0.

    Source: Keskar and Socher, Improving generalization performance by switching from Adam to SGD, 2017, in a simple
    form: the switch is at an epoch or when val stalls, and sgd_lr is given, where they estimate both. A schedule's
    factor goes on, and multiplies sgd_lr from the switch on. Of metrics.csv only val is looked at.

    Args:
        lr: base learning rate of Adam, in (0, inf).
        betas: decay of Adam's moving averages of g and g², each in [0, 1).
        eps: of Adam, in (0, inf).
        weight_decay: coupled L2 of both, added to the gradient, in [0, inf).
        sgd_lr: base learning rate after the switch, in (0, inf).
        momentum: after the switch, in [0, 1).
        switch_epoch: epochs that Adam trains, at least 1; null where val decides.
        monitor: a column of metrics.csv that is measured on val; the switch is when it has not improved for `patience`
            epochs.
        patience: at least 1.
        min_delta: what counts as improvement, in units of the column, in [0, inf).
    """

    MEMBER_VALUES: ClassVar[tuple[str, ...]] = ("lr", "betas", "eps", "weight_decay", "sgd_lr", "momentum",
                                                "switch_epoch", "monitor", "patience", "min_delta")

    def __init__(self, lr: Positive, betas: Annotated[list[Rate], Length(2)], eps: Positive, weight_decay: NonNegative,
                 sgd_lr: Positive, momentum: Rate, switch_epoch: Count | None, monitor: str, patience: Count,
                 min_delta: NonNegative) -> None:
        self.lr = lr
        self.betas = (betas[0], betas[1])
        self.eps = eps
        self.weight_decay = weight_decay
        self.sgd_lr = sgd_lr
        self.momentum = momentum
        self.switch_epoch = switch_epoch
        self.monitor = monitor
        self.patience = patience
        self.min_delta = min_delta

    def __call__(self, params: ParamsT) -> torch.optim.Optimizer:
        """Return the optimizer over the parameters, before the switch."""
        from dlx.core.optim.adam_then_sgd import AdamThenSGDOptimizer

        return AdamThenSGDOptimizer(params, lr=self.lr, betas=self.betas, eps=self.eps, weight_decay=self.weight_decay,
                                    momentum=self.momentum)

    def columns(self) -> tuple[str, ...]:
        """Name the column that is monitored, if one is."""
        return (self.monitor,) if self.switch_epoch is None else ()

    def values_after(self, history: History) -> dict[str, Any]:
        """Return the base learning rate of the next epoch, and whether SGD takes its steps."""
        if self.switch_epoch is not None:
            switched = len(history.rows) >= self.switch_epoch
        else:
            waits = epochs_without_improvement(history, self.monitor, self.min_delta)
            switched = any(waited >= self.patience for waited in waits)
        return {"lr": self.sgd_lr if switched else self.lr, "switched": switched}
