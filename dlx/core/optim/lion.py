"""The update of Lion, which torch has not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.optim.optimizer import Optimizer, ParamsT


class LionOptimizer(Optimizer):
    """See `dlx.optimizer.lion`."""

    def __init__(self, params: ParamsT, lr: float, betas: tuple[float, float], weight_decay: float) -> None:
        super().__init__(params, {"lr": lr, "betas": betas, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> None:  # type: ignore[override]
        """Update the parameters once."""
        for group in self.param_groups:
            lr, (share, decay) = group["lr"], group["betas"]
            for param in group["params"]:
                if param.grad is None:
                    continue
                state = self.state[param]
                if not state:
                    state["exp_avg"] = torch.zeros_like(param)
                average = state["exp_avg"]
                param.mul_(1 - lr * group["weight_decay"])
                param.sub_(average.lerp(param.grad, 1 - share).sign_(), alpha=lr)
                average.lerp_(param.grad, 1 - decay)
