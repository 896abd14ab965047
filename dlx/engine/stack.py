"""R models of one shape as one model that computes on all of them. R members, B batch.

Inputs and outputs are [R·B, ...], member after member. Whatever treats examples one by one then needs no change:
activations, pooling, reshaping, the model's own forward. Layers with weights are lowered to their batched form; any
other module that owns weights goes through `torch.vmap`.
"""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from dlx.core.layers import Dropout
from dlx.engine.lowered import LOWERED, lower_convolution

# Layers that draw from torch's global generator, which no key reaches.
UNKEYED = (nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout, nn.FeatureAlphaDropout, nn.RReLU)


def stack(models: Sequence[nn.Module], convolution: str = "loop") -> nn.Module:
    """Make one model of several.

    Args:
        models: of the same structure; they are not changed.
        convolution: how convolutions are computed, "loop" or "grouped".

    Returns:
        A model with the same names of parameters and buffers, each [R, *shape].
    """
    stacked = copy.deepcopy(models[0])
    known: dict[int, Tensor] = {}
    for module, *twins in zip(*(list(model.modules()) for model in (stacked, *models)), strict=True):
        for name, param in own(module._parameters):
            if id(param) not in known:
                values = torch.stack([twin._parameters[name].detach() for twin in twins])
                known[id(param)] = nn.Parameter(values, requires_grad=param.requires_grad)
            module._parameters[name] = known[id(param)]
        for name, _ in own(module._buffers):
            module._buffers[name] = torch.stack([twin._buffers[name] for twin in twins])
    lower(stacked, convolution)
    return stacked


def own(tensors: Any) -> list[tuple[str, Any]]:
    """List the tensors that a module holds itself, not its children."""
    return [(name, tensor) for name, tensor in tensors.items() if tensor is not None]


def lower(module: nn.Module, convolution: str) -> None:
    """Let every module that owns weights compute on all members, in place."""
    lowered = LOWERED.get(type(module)) or lower_convolution(module, convolution)
    if lowered is not None:
        bind(module, functools.partial(lowered, module))
    elif own(module._parameters) or own(module._buffers):
        bind(module, functools.partial(mapped, module))
        for inner in module.modules():
            if isinstance(inner, Dropout | nn.ReLU):
                bind(inner, functools.partial(unmapped, inner.forward))
                inner.__dict__["is_mapped"] = True
    else:
        for child in module.children():
            lower(child, convolution)


def bind(module: nn.Module, forward: Callable[..., Any]) -> None:
    """Replace the forward of one module; hooks on it go on working."""
    module.__dict__["forward"] = forward


def mapped(module: nn.Module, *args: Any, **kwargs: Any) -> Any:
    """Compute a module of any kind, whose tensors are [R, ...], with `torch.vmap`."""
    tensors = {**dict(module.named_parameters()), **dict(module.named_buffers())}
    count = len(next(iter(tensors.values())))
    given = pytree.tree_map_only(Tensor, lambda x: x.view(count, -1, *x.shape[1:]), (args, kwargs))
    forward = module.__dict__.pop("forward")
    try:
        outputs = torch.vmap(lambda values, inner: torch.func.functional_call(module, values, *inner))(tensors, given)
    finally:
        module.__dict__["forward"] = forward
    return pytree.tree_map_only(Tensor, lambda x: x.flatten(0, 1), outputs)


def unmapped(forward: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """Compute, inside of `torch.vmap`, what is written for [R·B, ...]."""
    result: Tensor = _Unmapped.apply(x, forward)  # type: ignore[no-untyped-call]
    return result


class _Unmapped(torch.autograd.Function):
    """Calls a function with the examples of all members: `torch.vmap` asks `vmap` and gives it the batch of members."""

    @staticmethod
    def forward(x: Tensor, function: Callable[[Tensor], Tensor]) -> Tensor:
        return function(x)

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        raise AssertionError("it is called under vmap alone")

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, ...], x: Tensor, function: Callable[[Tensor], Tensor]
             ) -> tuple[Tensor, int]:
        """Flatten, call, and give the result its axis of members again."""
        assert in_dims[0] is not None, "inputs differ between members"
        members = x.movedim(in_dims[0], 0)
        return function(members.flatten(0, 1)).view(members.shape), 0


def watch_flat(layer: nn.Module, output: Tensor, note: Callable[[Tensor], object]) -> None:
    """Show an observer the output of a layer as [R·B, ...], also where the layer computes inside of `torch.vmap`."""
    if layer.__dict__.get("is_mapped"):
        unmapped(lambda flat: (note(flat), flat)[1], output)
    else:
        note(output)


def keep(stacked: nn.Module, rows: Tensor) -> None:
    """Drop members: keep those rows of every buffer, in place. Parameters are the caller's, see `dlx.engine.flat`."""
    for module in stacked.modules():
        for name, buffer in own(module._buffers):
            module._buffers[name] = buffer[rows]


def problem(models: Sequence[nn.Module], inputs: Tensor) -> str | None:
    """Say why models cannot be stacked, or None; inputs [B, ...] are a few examples to try them on.

    Code of a user's may mix examples of a batch, which no one can see from outside: so outputs are compared with those
    of the models alone.
    """
    unkeyed = [type(layer).__name__ for layer in models[0].modules() if isinstance(layer, UNKEYED)]
    if unkeyed:
        return f"{unkeyed[0]} of torch draws from the global generator; dlx.core.layers.Dropout is keyed"
    pair = [copy.deepcopy(model).eval() for model in (models[0], models[-1])]
    try:
        with torch.no_grad():
            together = stack(pair)(inputs.repeat(2, *[1] * (inputs.ndim - 1)))
            alone = torch.cat([model(inputs) for model in pair])
    except (RuntimeError, ValueError, TypeError, AttributeError, NotImplementedError) as error:
        return f"{type(models[0]).__name__} cannot be stacked: {str(error).splitlines()[0]}"
    if together.shape != alone.shape or not torch.allclose(together, alone, rtol=1e-3, atol=1e-4, equal_nan=True):
        return f"{type(models[0]).__name__} computes something else when it is stacked: does it mix examples?"
    return None
