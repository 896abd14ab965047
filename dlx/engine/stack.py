"""R models of one shape as one model that computes on all of them. R members, B batch.

Inputs and outputs are [R·B, ...], member after member. Whatever treats examples one by one then needs no change:
activations, pooling, reshaping, the model's own forward. Layers with weights are lowered to their batched form; any
other module that owns weights goes through `torch.vmap`.
"""

from __future__ import annotations

import contextlib
import copy
import functools
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils import _pytree as pytree

from dlx.core.layers import UNKEYED, Dropout
from dlx.engine.lowered import LOWERED, lower_convolution, lower_embedding
from dlx.engine.recurrent import lower_recurrent
from dlx.engine.step import bind_noise, dropout_rates


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
    lowered = LOWERED.get(type(module)) or lower_convolution(module, convolution) or lower_embedding(
        module) or lower_recurrent(module)
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
    given, structure = pytree.tree_flatten((args, kwargs))
    # What is no tensor is the same for all members, and passes torch.vmap by.
    outputs: list[Any] = []
    returned: list[Any] = []

    def alone(values: dict[str, Tensor], inputs: list[Tensor]) -> list[Tensor]:
        rest = iter(inputs)
        positional, named = pytree.tree_unflatten([next(rest) if isinstance(own, Tensor) else own for own in given],
                                                  structure)
        outputs[:], returned[:] = _flat(torch.func.functional_call(module, values, positional, named))
        return [own for own in outputs if isinstance(own, Tensor)]

    with _without_forward(module), _plain_attention():
        members = [own.view(count, -1, *own.shape[1:]) for own in given if isinstance(own, Tensor)]
        joined = iter(torch.vmap(alone)(tensors, members))
    return pytree.tree_unflatten([next(joined).flatten(0, 1) if isinstance(own, Tensor) else own for own in outputs],
                                 returned[0])


def _flat(outputs: Any) -> tuple[list[Any], list[Any]]:
    leaves, structure = pytree.tree_flatten(outputs)
    return leaves, [structure]


@contextlib.contextmanager
def _without_forward(module: nn.Module) -> Iterator[None]:
    forward = module.__dict__.pop("forward")
    try:
        yield
    finally:
        module.__dict__["forward"] = forward


@contextlib.contextmanager
def _plain_attention() -> Iterator[None]:
    # The fused kernels of attention cannot be mapped; they differ from the plain one by rounding alone.
    enabled = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with sdpa_kernel(SDPBackend.MATH):
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(enabled)


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

    Code of a user's may mix examples of a batch, which no one can see from outside: so outputs and statistics are
    compared with those of the models alone, in evaluation and in training.
    """
    unkeyed = [type(layer).__name__ for layer in models[0].modules()
               if isinstance(layer, UNKEYED) or (isinstance(layer, nn.RNNBase) and layer.dropout)]
    if unkeyed:
        return f"{unkeyed[0]} of torch draws from the global generator; dlx.core.layers.Dropout is keyed"
    name = type(models[0]).__name__
    try:
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            same = all(_agree(models, inputs, training) for training in (False, True))
    except (RuntimeError, ValueError, TypeError, LookupError, AttributeError, AssertionError) as error:
        return f"{name} cannot be stacked: {(str(error) or type(error).__name__).splitlines()[0]}"
    return None if same else f"{name} computes something else when it is stacked: does it mix examples?"


def _agree(models: Sequence[nn.Module], inputs: Tensor, training: bool) -> bool:
    # Outputs, then buffers; every model draws dropout from a generator of its own.
    copies = [copy.deepcopy(model).train(training) for model in models]
    stacked, rates = stack(copies), [dropout_rates(model) for model in copies]
    # Each on other examples: of the same ones, a mean over all members is that of each.
    rows = [(torch.arange(len(inputs) // 2 + 1) + 3 * number) % len(inputs) for number in range(len(copies))]
    _seed(stacked, rates, inputs.device, range(len(copies)))
    together = [stacked(inputs[torch.cat(rows)]), *stacked.buffers()]
    for number, model in enumerate(copies):
        _seed(model, [rates[number]], inputs.device, [number])
        alone = [model(inputs[rows[number]]), *model.buffers()]
        found = [together[0].view(len(copies), *alone[0].shape)[number], *(buffer[number] for buffer in together[1:])]
        if not all(torch.allclose(one.double(), other.double(), rtol=1e-3, atol=1e-3, equal_nan=True)
                   for one, other in zip(found, alone, strict=True)):
            return False
    return True


def _seed(model: nn.Module, rates: Sequence[Sequence[float]], device: torch.device, seeds: Iterable[int]) -> None:
    for seed, generator in zip(seeds, bind_noise(model, rates, device), strict=False):
        generator.manual_seed(seed)
