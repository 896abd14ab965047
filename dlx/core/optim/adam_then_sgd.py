"""Two updates of torch in one optimizer, one after the other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.optim.adam import adam
from torch.optim.optimizer import Optimizer, ParamsT
from torch.optim.sgd import sgd


class AdamThenSGDOptimizer(Optimizer):
    """See `dlx.optimizer.adam_then_sgd`. Groups are `switched` or not; what Adam knew is dropped at the switch."""

    def __init__(self, params: ParamsT, *, lr: float, betas: tuple[float, float], eps: float, weight_decay: float,
                 momentum: float) -> None:
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay,
                                  "momentum": momentum, "switched": False})

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> None:  # type: ignore[override]
        """Update the parameters once."""
        for group in self.param_groups:
            for param in group["params"]:
                if param.grad is not None:
                    (self._sgd_step if group["switched"] else self._adam_step)(group, param, param.grad)

    def _adam_step(self, group: dict[str, Any], param: Tensor, grad: Tensor) -> None:
        state, (beta1, beta2) = self.state[param], group["betas"]
        if not state:
            state |= {"step": torch.zeros((), device=param.device), "exp_avg": torch.zeros_like(param),
                      "exp_avg_sq": torch.zeros_like(param)}
        adam([param], [grad], [state["exp_avg"]], [state["exp_avg_sq"]], [], [state["step"]], fused=True, amsgrad=False,
             beta1=beta1, beta2=beta2, lr=group["lr"], weight_decay=group["weight_decay"], eps=group["eps"],
             maximize=False)

    def _sgd_step(self, group: dict[str, Any], param: Tensor, grad: Tensor) -> None:
        state = self.state[param]
        if "exp_avg" in state:
            state.clear()
        buffers = [state.get("momentum_buffer")]
        sgd([param], [grad], buffers, fused=True, weight_decay=group["weight_decay"], momentum=group["momentum"],
            lr=group["lr"], dampening=0.0, nesterov=False, maximize=False)
        if group["momentum"] != 0:
            state["momentum_buffer"] = buffers[0]
