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


def is_of_head(model: nn.Module, name: str) -> bool:
    """Say whether a parameter or buffer of that name is the head's."""
    head = head_name(model)
    return head != "" and name.startswith(f"{head}.")
