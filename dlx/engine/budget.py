"""How many members fit into memory: measured on one of them."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from dlx.core.device import Placement
from dlx.core.memory import free_bytes
from dlx.engine.data import Prepared
from dlx.engine.evaluate import chunk_rows
from dlx.engine.modes import eval_mode

# Of the memory that is free: the rest is for what cannot be foreseen, such as workspaces of libraries.
SHARE = 0.5
# Parameters, gradients, two moments, the best weights, their copies for a checkpoint.
COPIES_OF_WEIGHTS = 7


def most_members(model: nn.Module, data: Prepared, batch_size: int, placement: Placement, share: float) -> int:
    """Return how many members may train together, at least 1.

    Args:
        model: of one member, on the device.
        share: of the machine's memory that is this process's, in (0, 1].
    """
    train = data.splits["train"].inputs
    weights = sum(tensor.numel() * tensor.element_size() for tensor in model.state_dict().values())
    examples = sum(split.inputs.numel() * split.inputs.element_size() for split in data.splits.values()
                   if isinstance(split.inputs, Tensor))
    step = activation_bytes(model, train[:1]) * min(batch_size, len(train))
    chunk = min(len(train), chunk_rows(data.spec, placement.device, stacked=True))
    evaluation = activation_bytes(model, train[:1]) * chunk / 2
    needed = COPIES_OF_WEIGHTS * weights + 2 * examples + max(2 * step, evaluation)
    return max(1, int(SHARE * share * free_bytes(placement.device) / needed))


class TooManyMembersError(Exception):
    """More members than fit into memory; most: as many as do."""

    def __init__(self, most: int) -> None:
        super().__init__(f"{most} members fit into memory")
        self.most = most


def out_of_memory(error: BaseException) -> bool:
    """Say whether an exception means that memory ran out, on the device or the host."""
    words = ("out of memory", "can't allocate memory", "not enough memory")
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or any(word in str(error) for word in words)


def activation_bytes(model: nn.Module, one: Tensor) -> int:
    """Return the bytes that a model's layers put out for one example [1, ...]."""
    total = one.numel() * one.element_size()

    def count(_: nn.Module, __: object, output: object) -> None:
        nonlocal total
        if isinstance(output, Tensor):
            total += output.numel() * output.element_size()

    handles = [layer.register_forward_hook(count) for layer in model.modules()]
    with eval_mode(model), torch.no_grad():
        model(one)
    for handle in handles:
        handle.remove()
    return total
