"""What one example does on its way through a model and back: which layers it meets, operations, memory."""

from __future__ import annotations

from collections import Counter
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry


class Call(NamedTuple):
    """A layer was called.

    name: of the layer in the model; given, made: the very tensors that went in and came out; given_version,
    made_version: how often each had been changed in place by then.
    """

    name: str
    layer: nn.Module
    given: Tensor
    given_version: int
    made: Tensor
    made_version: int


class Pass(NamedTuple):
    """What one example met.

    calls: of modules without children, in order; operations: how often each of torch's was called on the way there;
    forward_flops, training_flops: on the way there, and there and back; kept_bytes: of what is kept for the way back,
    see `look`; output: of the model, without a graph.
    """

    calls: list[Call]
    operations: Counter[str]
    forward_flops: int
    training_flops: int
    kept_bytes: int
    output: Tensor


class Counting(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts operations, and the floating-point operations of products by the formulas of torch.utils.flop_counter."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.operations: Counter[str] = Counter()
        self.flops = 0

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        # Else torch imports its compiler, 0.8 s, to tell it what not to compile; nothing is compiled here.
        return False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Call an operation, and count it."""
        out = func(*args, **(kwargs or {}))
        packet = func._overloadpacket
        self.operations[packet.__name__] += 1
        if packet in flop_registry:
            self.flops += flop_registry[packet](*args, **(kwargs or {}), out_val=out)
        return out


def look(model: nn.Module, x: Tensor, float_bytes: int) -> Pass:
    """Pass one example through a model, and the gradient of the sum of its outputs back to the parameters.

    Attention is computed as its matrix products. Bytes are those of every tensor that autograd keeps, the input among
    them and parameters and buffers not, each once.

    Args:
        model: in eval mode; no gradient is left in it.
        x: one example [1, ...].
        float_bytes: of a number with which the model trains.
    """
    calls: list[Call] = []
    kept: dict[int, Tensor] = {}
    own = {tensor.untyped_storage().data_ptr() for tensor in (*model.parameters(), *model.buffers())}

    def keep(tensor: Tensor) -> Tensor:
        kept.setdefault(tensor.untyped_storage().data_ptr(), tensor)
        return tensor

    handles = _watched(model, calls)
    try:
        with Counting() as counting, sdpa_kernel(SDPBackend.MATH), torch.enable_grad():
            with saved_tensors_hooks(keep, lambda tensor: tensor):
                output = model(x)
            operations, forward = Counter(counting.operations), counting.flops
            params = [param for param in model.parameters() if param.requires_grad]
            if output.requires_grad:
                torch.autograd.grad(output.sum(), params, allow_unused=True)
    finally:
        for handle in handles:
            handle.remove()
    total = sum(_bytes(tensor, float_bytes) for place, tensor in kept.items() if place not in own)
    return Pass(calls, operations, forward, counting.flops, total, output.detach())


def _bytes(tensor: Tensor, float_bytes: int) -> int:
    count = tensor.untyped_storage().nbytes()
    return count // tensor.element_size() * float_bytes if tensor.is_floating_point() else count


def _watched(model: nn.Module, calls: list[Call]) -> list[Any]:
    versions: dict[nn.Module, int] = {}

    def before(layer: nn.Module, given: tuple[Any, ...]) -> None:
        if given and isinstance(given[0], Tensor):
            versions[layer] = given[0]._version

    names = {layer: name for name, layer in model.named_modules()}

    def after(layer: nn.Module, given: tuple[Any, ...], made: Any) -> None:
        made = made[0] if isinstance(made, tuple) else made
        if given and isinstance(given[0], Tensor) and isinstance(made, Tensor):
            calls.append(Call(names[layer], layer, given[0], versions[layer], made, made._version))

    layers = [layer for layer in model.modules() if not list(layer.children())]
    return [handle for layer in layers
            for handle in (layer.register_forward_pre_hook(before), layer.register_forward_hook(after))]
