"""Optimizers that torch lacks as their papers write them, one parameter and one matrix at a time."""

import torch

from dlx.core.optim.adam_then_sgd import AdamThenSGDOptimizer
from dlx.core.optim.lbfgs import LBFGSOptimizer
from dlx.core.optim.lion import LionOptimizer
from dlx.core.optim.muon import MuonOptimizer


class Paper(torch.optim.Optimizer):
    """Calls `update` with each parameter, its gradient, its state and its group."""

    def __init__(self, params, **defaults):
        super().__init__(params, defaults)

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            for param in group["params"]:
                if param.grad is not None:
                    self.update(param, param.grad, self.state[param], group)


class Lion(Paper):
    """Chen et al. 2023, algorithm 2."""

    def update(self, w, g, state, group):
        (beta1, beta2), lr = group["betas"], group["lr"]
        m = state.get("m", torch.zeros_like(w))
        c = beta1 * m + (1 - beta1) * g
        state["m"] = beta2 * m + (1 - beta2) * g
        w.copy_(w - lr * (torch.sign(c) + group["weight_decay"] * w))


class Muon(Paper):
    """Jordan et al. 2024: the iteration by singular values, which it alone changes; AdamW of Loshchilov and Hutter."""

    def update(self, w, g, state, group):
        lr = group["lr"]
        hidden = group["role"] == "hidden" if "role" in group else w.ndim >= 2
        if not hidden:
            self.adamw(w, g, state, group, lr * group["adamw_lr_factor"])
            return
        state["m"] = group["momentum"] * state.get("m", 0) + (1 - group["momentum"]) * g
        blend = group["momentum"] * state["m"] + (1 - group["momentum"]) * g if group["nesterov"] else state["m"]
        matrix = blend.flatten(1)
        rows, columns = matrix.shape
        scale = max(1, rows / columns) ** 0.5
        step = by_singular_values(matrix, group["num_iterations"]).view_as(w)
        w.copy_(w - lr * group["weight_decay"] * w - lr * scale * step)

    def adamw(self, w, g, state, group, lr):
        beta1, beta2 = group["adamw_betas"]
        t = state["t"] = state.get("t", 0) + 1
        state["m"] = beta1 * state.get("m", 0) + (1 - beta1) * g
        state["v"] = beta2 * state.get("v", 0) + (1 - beta2) * g * g
        step = (state["m"] / (1 - beta1**t)) / ((state["v"] / (1 - beta2**t)).sqrt() + group["adamw_eps"])
        w.copy_(w - lr * group["weight_decay"] * w - lr * step)


def by_singular_values(matrix, num_iterations):
    """Apply s ← 3.4445 s - 4.775 s³ + 2.0315 s⁵ to the singular values of a matrix over its Frobenius norm."""
    left, s, right = torch.linalg.svd(matrix.double(), full_matrices=False)
    s = s / s.square().sum().sqrt().clamp(min=1e-7)
    for _ in range(num_iterations):
        s = 3.4445 * s - 4.775 * s**3 + 2.0315 * s**5
    return (left @ torch.diag(s) @ right).to(matrix.dtype)


def adam_before_the_switch(params, lr, betas, eps, weight_decay, **_):
    return torch.optim.Adam(params, lr=lr, betas=betas, eps=eps, weight_decay=weight_decay, foreach=False)


PAPERS = {LionOptimizer: Lion, MuonOptimizer: Muon, AdamThenSGDOptimizer: adam_before_the_switch,
          LBFGSOptimizer: torch.optim.LBFGS}
