"""The update of Muon for parameters that lie in rows: torch's is for single matrices. R members, matrices [m, n]."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor
from torch.optim.adamw import adamw
from torch.optim.optimizer import Optimizer, ParamsT

from dlx.core.rows import windows

# Coefficients of the quintic polynomial (Jordan 2024): steepest at zero, so that small singular values grow fast.
COEFFICIENTS = (3.4445, -4.7750, 2.0315)
# The least Frobenius norm that a matrix is divided by.
EPS = 1e-7


def orthogonalize(matrices: Tensor, num_iterations: int) -> Tensor:
    """Make matrices [R, m, n] nearly orthogonal: singular values s > 0 tend to between 0.7 and 1.2.

    A Newton-Schulz iteration on X / |X|: X ← a·X + b·XXᵀX + c·(XXᵀ)²X, which keeps singular vectors.
    """
    a, b, c = COEFFICIENTS
    wide = matrices.shape[-2] <= matrices.shape[-1]
    x = matrices if wide else matrices.mT
    x = x / torch.linalg.matrix_norm(x, keepdim=True).clamp(min=EPS)
    for _ in range(num_iterations):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x if wide else x.mT


class MuonOptimizer(Optimizer):
    """See `dlx.optimizer.muon`. A group has a role, "hidden" or "rest", and `shapes`, or is of single parameters."""

    def __init__(self, params: ParamsT, **defaults: Any) -> None:
        super().__init__(params, defaults)

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> None:  # type: ignore[override]
        """Update the parameters once."""
        for group in self.param_groups:
            for param in group["params"]:
                if param.grad is not None:
                    hidden = group["role"] == "hidden" if "role" in group else param.ndim >= 2
                    (self._orthogonal_step if hidden else self._adamw_step)(group, param, param.grad)

    def _orthogonal_step(self, group: dict[str, Any], param: Tensor, grad: Tensor) -> None:
        state, momentum = self.state[param], group["momentum"]
        if not state:
            state["momentum_buffer"] = torch.zeros_like(param)
        buffer = state["momentum_buffer"]
        buffer.lerp_(grad, 1 - momentum)
        update = grad.lerp(buffer, momentum) if group["nesterov"] else buffer
        param.mul_(1 - group["lr"] * group["weight_decay"])
        for weights, direction in zip(matrices_of(param, group), matrices_of(update, group), strict=True):
            rows, columns = weights.shape[1:]
            scale = group["lr"] * math.sqrt(max(1, rows / columns))
            weights.sub_(orthogonalize(direction, group["num_iterations"]), alpha=scale)

    def _adamw_step(self, group: dict[str, Any], param: Tensor, grad: Tensor) -> None:
        state, (beta1, beta2) = self.state[param], group["adamw_betas"]
        if not state:
            state |= {"step": torch.zeros((), device=param.device), "exp_avg": torch.zeros_like(param),
                      "exp_avg_sq": torch.zeros_like(param)}
        adamw([param], [grad], [state["exp_avg"]], [state["exp_avg_sq"]], [], [state["step"]], fused=True,
              amsgrad=False, beta1=beta1, beta2=beta2, lr=group["lr"] * group["adamw_lr_factor"],
              weight_decay=group["weight_decay"], eps=group["adamw_eps"], maximize=False)


def matrices_of(tensor: Tensor, group: dict[str, Any]) -> Iterator[Tensor]:
    """Yield views [R, m, n] of what lies in rows [R, P], or [1, m, n] of a single parameter; the rest is flattened."""
    views = windows(tensor, group["shapes"]) if "shapes" in group else [tensor[None]]
    yield from (view.view(len(view), view.shape[1], -1) for view in views)
