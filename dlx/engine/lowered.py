"""Layers with weights, computed for R members at once. R members, B batch, D features, C channels.

Each function takes a layer whose weights are [R, ...] and inputs [R·B, ...], member after member.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as f

from dlx.core.spectral import SpectralConv1d, SpectralConv2d, SpectralLinear

Lowered = Callable[..., Tensor]
# Channels that a processor normalizes at once. The rest of a row is rounded differently, so that the channels of each
# member are filled up to a multiple: its bits then do not depend on how many members there are.
LANES = 32
CONVOLUTIONS: dict[type[nn.Module], Callable[..., Tensor]] = {
    nn.Conv1d: f.conv1d, nn.Conv2d: f.conv2d, SpectralConv1d: f.conv1d, SpectralConv2d: f.conv2d}


class _Affine(torch.autograd.Function):
    """x · Wᵀ + b for each member, with the gradient of W in W's own layout, which is half the time of autograd's."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(x, weight)
        if bias is None:
            return torch.bmm(x, weight.transpose(1, 2))
        return torch.baddbmm(bias.unsqueeze(1), x, weight.transpose(1, 2))

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        inputs, weights, biases = ctx.needs_input_grad
        return (torch.bmm(gradient, weight) if inputs else None,
                torch.bmm(gradient.transpose(1, 2), x) if weights else None,
                gradient.sum(dim=1) if biases else None)


def linear(layer: nn.Linear, x: Tensor) -> Tensor:
    """Map [R·B, ..., D] to [R·B, ..., C] with batched matrix products."""
    weight = layer.weight
    given = [x.reshape(len(weight), -1, x.shape[-1]), weight, layer.bias]
    if torch.is_autocast_enabled(x.device.type):
        # Autocast reaches the forward of an autograd function, and not its backward.
        dtype = torch.get_autocast_dtype(x.device.type)
        given = [None if tensor is None else tensor.to(dtype) for tensor in given]
    result: Tensor = _Affine.apply(*given)  # type: ignore[no-untyped-call]
    return result.view(*x.shape[:-1], -1)


def batch_norm(layer: nn.BatchNorm1d | nn.BatchNorm2d, x: Tensor) -> Tensor:
    """Normalize [R·B, C, ...] over each member's own batch: members become channels."""
    members, channels = len(layer.running_mean), x.shape[1]  # type: ignore[arg-type]
    if layer.training and layer.num_batches_tracked is not None:
        layer.num_batches_tracked.add_(1)
    counted = layer.num_batches_tracked
    momentum = layer.momentum or 0.0
    if layer.momentum is None and layer.training and counted is not None:
        momentum = 1.0 / float(counted[0])
    gap = -channels % LANES if x[0, 0].numel() == 1 else 0
    mean, var, weight, bias = (_joined(tensor, gap) for tensor in (layer.running_mean, layer.running_var, layer.weight,
                                                                   layer.bias))
    wide = f.pad(x, (*[0, 0] * (x.ndim - 2), 0, gap)) if gap else x
    side = wide.view(members, -1, *wide.shape[1:]).transpose(0, 1).flatten(1, 2)
    out = f.batch_norm(side, mean, var, weight, bias, layer.training, momentum, layer.eps)
    if gap and layer.training:
        for own, joined in ((layer.running_mean, mean), (layer.running_var, var)):
            own.copy_(joined.view(members, -1)[:, :channels])  # type: ignore[union-attr]
    own_out = out.view(-1, members, channels + gap, *x.shape[2:]).transpose(0, 1)
    return own_out[:, :, :channels].reshape(x.shape)


def layer_norm(layer: nn.LayerNorm, x: Tensor) -> Tensor:
    """Normalize each example over its last axes, then scale and shift with its member's weights."""
    axes = [1] * (x.ndim - 1 - len(layer.normalized_shape))
    weight, bias = (None if tensor is None else tensor.view(len(tensor), *axes, *layer.normalized_shape)
                    for tensor in (layer.weight, layer.bias))
    return _scaled(f.layer_norm(x, layer.normalized_shape, eps=layer.eps), weight, bias)


def group_norm(layer: nn.GroupNorm, x: Tensor) -> Tensor:
    """Normalize each example [C, ...] over groups of channels, then scale and shift with its member's weights."""
    axes = [1] * (x.ndim - 2)
    weight, bias = (None if tensor is None else tensor.view(*tensor.shape, *axes)
                    for tensor in (layer.weight, layer.bias))
    return _scaled(f.group_norm(x, layer.num_groups, eps=layer.eps), weight, bias)


def looped(convolve: Callable[..., Tensor], layer: nn.Conv1d | nn.Conv2d, x: Tensor) -> Tensor:
    """Convolve member by member."""
    weights = layer.weight.unbind()
    biases = [None] * len(weights) if layer.bias is None else layer.bias.unbind()
    return torch.cat([convolve(own, weight, bias, layer.stride, layer.padding, layer.dilation, layer.groups)
                      for own, weight, bias in zip(x.chunk(len(weights)), weights, biases, strict=True)])


def grouped(convolve: Callable[..., Tensor], layer: nn.Conv1d | nn.Conv2d, x: Tensor) -> Tensor:
    """Convolve all members at once, each a group of channels."""
    weight = layer.weight
    members = len(weight)
    side = x.view(members, -1, *x.shape[1:]).transpose(0, 1).flatten(1, 2)
    bias = None if layer.bias is None else layer.bias.flatten()
    out = convolve(side, weight.flatten(0, 1), bias, layer.stride, layer.padding, layer.dilation,
                   layer.groups * members)
    return out.view(len(out), members, -1, *out.shape[2:]).transpose(0, 1).flatten(0, 1)


def embedding(layer: nn.Embedding, x: Tensor) -> Tensor:
    """Look up tokens [R·B, ...] in the table [V, D] of each member; one table holds all, and numbers are shifted."""
    members, size, width = layer.weight.shape
    first = torch.arange(members, device=x.device)[:, None] * size
    places = x.reshape(members, -1) + first
    found = f.embedding(places, layer.weight.reshape(-1, width)).view(*x.shape, width)
    if layer.padding_idx is None:
        return found
    # Its row gets no gradient.
    return torch.where((x == layer.padding_idx).unsqueeze(-1), found.detach(), found)


def lower_embedding(layer: nn.Module) -> Lowered | None:
    """Return the function that computes an embedding; None for what is none, or has a gradient of its own."""
    plain = type(layer) is nn.Embedding and layer.max_norm is None and not (layer.sparse or layer.scale_grad_by_freq)
    return embedding if plain else None


def lower_convolution(layer: nn.Module, form: str) -> Lowered | None:
    """Return the function that computes a convolution in the form "loop" or "grouped"; None for what is none."""
    convolve = CONVOLUTIONS.get(type(layer))
    if convolve is None or getattr(layer, "padding_mode", "zeros") != "zeros":
        return None
    return functools.partial(grouped if form == "grouped" else looped, convolve)


def _joined(tensor: Tensor | None, gap: int) -> Tensor | None:
    if tensor is None:
        return None
    return (f.pad(tensor, (0, gap)) if gap else tensor).reshape(-1)


def _scaled(x: Tensor, weight: Tensor | None, bias: Tensor | None) -> Tensor:
    if weight is None:
        return x
    members = x.view(len(weight), -1, *x.shape[1:])
    out = members * weight.unsqueeze(1)
    return (out if bias is None else out + bias.unsqueeze(1)).flatten(0, 1)


# By exact type: a subclass may compute something else.
LOWERED: dict[type[nn.Module], Lowered] = {
    nn.Linear: linear,
    SpectralLinear: linear,
    nn.BatchNorm1d: batch_norm,
    nn.BatchNorm2d: batch_norm,
    nn.LayerNorm: layer_norm,
    nn.GroupNorm: group_norm,
}
