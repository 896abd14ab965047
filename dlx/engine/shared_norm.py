"""Batch normalization over the whole batch where each process has a share of it. B batch, D features.

torch's SyncBatchNorm does the same on CUDA alone.
"""

from __future__ import annotations

import functools
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as f

from dlx.core.errors import ConfigError
from dlx.core.ranks import Processes
from dlx.engine.stack import bind

Normalization = nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d
SHARED = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


def share_batch_norm(model: nn.Module, ranks: Processes) -> None:
    """Let every batch normalization take mean and variance of the whole batch, in place.

    Raises:
        ConfigError: one of a kind that nobody knows how to share.
    """
    for layer in model.modules():
        if isinstance(layer, SHARED) and type(layer) in SHARED:
            bind(layer, functools.partial(batch_norm, layer, ranks))
        elif isinstance(layer, nn.modules.batchnorm._BatchNorm):
            raise ConfigError(f"device.processes={ranks.size} cannot train {type(layer).__name__}: its statistics "
                              f"would be those of a part of the batch; use torch.nn.BatchNorm1d or 2d")


def batch_norm(layer: Normalization, ranks: Processes, x: Tensor) -> Tensor:
    """Normalize this process's rows [b, D, ...] with mean and variance over all B of the batch, in training mode.

    Ioffe and Szegedy, Batch normalization, 2015. Gradients are those of the whole batch, too.
    """
    if not layer.training and layer.running_mean is not None:
        return f.batch_norm(x, layer.running_mean, layer.running_var, layer.weight, layer.bias, False, 0.0, layer.eps)
    axes, shape = [0, *range(2, x.ndim)], [1, -1] + [1] * (x.ndim - 2)
    count = ranks.total * x[0, 0].numel()
    # In float64, where the difference of two large numbers keeps its digits: one exchange instead of two.
    values = x.double()
    mean, square = _sum(torch.stack([values.sum(dim=axes), values.square().sum(dim=axes)]), ranks) / count
    variance = (square - mean.square()).clamp(min=0.0)
    _track(layer, mean.detach(), variance.detach(), count)
    scale = (variance + layer.eps).rsqrt() * (1.0 if layer.weight is None else layer.weight)
    shift = (0.0 if layer.bias is None else layer.bias) - mean * scale
    return torch.addcmul(shift.view(shape).to(x.dtype), x, scale.view(shape).to(x.dtype))


def _track(layer: Normalization, mean: Tensor, variance: Tensor, count: int) -> None:
    if layer.running_mean is None or layer.running_var is None or layer.num_batches_tracked is None:
        return
    layer.num_batches_tracked.add_(1)
    momentum = 1.0 / float(layer.num_batches_tracked) if layer.momentum is None else layer.momentum
    unbiased = variance * (count / max(1, count - 1))
    layer.running_mean.lerp_(mean.to(layer.running_mean), momentum)
    layer.running_var.lerp_(unbiased.to(layer.running_var), momentum)


def _sum(own: Tensor, ranks: Processes) -> Tensor:
    total: Tensor = _Sum.apply(own, ranks)  # type: ignore[no-untyped-call]
    return total


class _Sum(torch.autograd.Function):
    """The sum of a tensor over the processes; its gradient is the sum of theirs."""

    @staticmethod
    def forward(ctx: Any, own: Tensor, ranks: Processes) -> Tensor:
        ctx.ranks = ranks
        total = own.clone() if ranks.counts else torch.zeros_like(own)
        ranks.sum(total)
        return total

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        total = gradient.clone()
        ctx.ranks.sum(total)
        return (total if ctx.ranks.counts else torch.zeros_like(total)), None
