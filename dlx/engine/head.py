"""The part of a model that answers, and what is before it: the backbone."""

from __future__ import annotations

from torch import nn


def head_name(model: nn.Module) -> str:
    """Return the name of a model's head: its module called `head`, else its last linear or convolutional layer.

    Returns "" where there is neither: then the model has no head.
    """
    if isinstance(getattr(model, "head", None), nn.Module):
        return "head"
    layers = [name for name, layer in model.named_modules() if isinstance(layer, nn.Linear | nn.Conv1d | nn.Conv2d)]
    return layers[-1] if layers else ""


def head_tensors(model: nn.Module) -> set[str]:
    """Return the names of the parameters and buffers of a model's head, also of those that others share."""
    prefix = f"{head_name(model)}."
    return {name for name in model.state_dict() if name.startswith(prefix)}
