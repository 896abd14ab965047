"""Muon for hidden matrices, AdamW for the rest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, ClassVar

from dlx.core.ranges import Length, NonNegative, Positive, Range, Rate
from dlx.core.types import ParamInfo

if TYPE_CHECKING:
    import torch
    from torch.optim.optimizer import ParamsT


class Muon:
    """W ← (1 - lr · weight_decay) · W - lr · √max(1, m / n) · NS(momentum), for a hidden matrix W [m, n].

    NS makes a matrix nearly orthogonal, see `dlx.core.optim.muon`; momentum: B ← momentum · B + (1 - momentum) · G,
    and with nesterov momentum · B + (1 - momentum) · G after that. Kernels of convolutions are matrices [out, rest].
    Hidden are the weights of layers with at least two axes but for embeddings and the last, which is the head; the
    first layer is, unless it is an embedding. All other parameters follow AdamW.
    Source: Jordan, Jin, Boza, You, Cesista, Newhouse and Bernstein, Muon: an optimizer for hidden layers in neural
    networks, 2024; torch.optim.Muon, which computes NS in bfloat16 where here it is in the parameters' own precision.

    Args:
        lr: base learning rate of hidden matrices, in (0, inf).
        momentum: in [0, 1).
        nesterov: look ahead along the momentum.
        num_iterations: of NS, in [1, 20].
        weight_decay: decoupled, of both, in [0, inf).
        adamw_lr_factor: the learning rate of AdamW is lr times this, in (0, inf).
        adamw_betas, adamw_eps: of AdamW, see there.
    """

    MEMBER_VALUES: ClassVar[tuple[str, ...]] = ("lr", "momentum", "nesterov", "num_iterations", "weight_decay",
                                                "adamw_lr_factor", "adamw_betas", "adamw_eps")

    def __init__(self, lr: Positive, momentum: Rate, nesterov: bool, num_iterations: Annotated[int, Range("[1, 20]")],
                 weight_decay: NonNegative, adamw_lr_factor: Positive, adamw_betas: Annotated[list[Rate], Length(2)],
                 adamw_eps: Positive) -> None:
        self.lr = lr
        self.momentum = momentum
        self.nesterov = nesterov
        self.num_iterations = num_iterations
        self.weight_decay = weight_decay
        self.adamw_lr_factor = adamw_lr_factor
        self.adamw_betas = (adamw_betas[0], adamw_betas[1])
        self.adamw_eps = adamw_eps

    def roles(self, params: Sequence[ParamInfo]) -> list[str]:
        """Return "hidden" for the parameters that are orthogonalized, "rest" for the others."""
        matrices = [param for param in params if len(param.shape) >= 2 and "weight" in param.name.rpartition(".")[2]]
        return ["hidden" if param in matrices[:-1] and not param.is_embedding else "rest" for param in params]

    def __call__(self, params: ParamsT) -> torch.optim.Optimizer:
        """Return the optimizer over the parameters; of groups without a role, those with two axes are hidden."""
        from dlx.core.optim.muon import MuonOptimizer

        return MuonOptimizer(params, lr=self.lr, momentum=self.momentum, nesterov=self.nesterov,
                             num_iterations=self.num_iterations, weight_decay=self.weight_decay,
                             adamw_lr_factor=self.adamw_lr_factor, adamw_betas=self.adamw_betas,
                             adamw_eps=self.adamw_eps)
