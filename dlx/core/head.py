"""The part of a model that answers; what is before it is the backbone."""

from __future__ import annotations

from torch import nn


def head_of(model: nn.Module) -> nn.Module | None:
    """Return a model's head: its module called `head`, else its last linear or convolutional layer, if it has one."""
    named = getattr(model, "head", None)
    if isinstance(named, nn.Module):
        return named
    layers = [layer for layer in model.modules() if isinstance(layer, nn.Linear | nn.Conv1d | nn.Conv2d)]
    return layers[-1] if layers else None


def head_tensors(model: nn.Module) -> set[str]:
    """Return the names of the parameters and buffers of a model's head, and of what shares them with it."""
    head = head_of(model)
    if head is None:
        return set()
    own = {*map(id, head.parameters()), *map(id, head.buffers())}
    tensors = (*model.named_parameters(remove_duplicate=False), *model.named_buffers(remove_duplicate=False))
    return {name for name, tensor in tensors if id(tensor) in own}
