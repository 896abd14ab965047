"""What the layers of a model give for a batch. B examples."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from dlx.core.attention import SelfAttention
from dlx.core.head import head_of

WEIGHTED = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.RNNBase, nn.Embedding, nn.EmbeddingBag, SelfAttention)
PENULTIMATE = "penultimate"


def layer_names(model: nn.Module, most: int) -> list[str]:
    """Return the names of layers with weights but for the head, in the model's order: at most so many, evenly chosen.

    Layers inside of one of them do not count.
    """
    head, found = head_of(model), list[str]()
    for name, layer in model.named_modules():
        inside = any(name.startswith(f"{outer}.") for outer in found)
        if isinstance(layer, WEIGHTED) and layer is not head and name and not inside:
            found.append(name)
    return [found[place] for place in np.linspace(0, len(found) - 1, min(most, len(found))).round().astype(int)]


def features_of(model: nn.Module, inputs: Tensor, names: Sequence[str], rows: int = 256) -> dict[str, np.ndarray]:
    """Return what layers give for inputs [B, ...], flattened to [B, D], and as PENULTIMATE what the head gets.

    A layer that was not called, or gives something else for each example, is left out.
    """
    modules, head = dict(model.named_modules()), head_of(model)
    chunks: dict[str, list[Tensor]] = {}
    handles = [modules[name].register_forward_hook(_keeper(chunks, name)) for name in names]
    if head is not None:
        handles.append(head.register_forward_pre_hook(lambda _, given: _keep(chunks, PENULTIMATE, given[0])))
    try:
        with torch.inference_mode():
            for low in range(0, len(inputs), rows):
                model(inputs[low : low + rows])
    finally:
        for handle in handles:
            handle.remove()
    joined = {name: torch.cat(parts).double().cpu().numpy() for name, parts in chunks.items()}
    return {name: values for name, values in joined.items() if len(values) == len(inputs)}


def _keeper(chunks: dict[str, list[Tensor]], name: str) -> Callable[[nn.Module, object, Any], None]:
    return lambda _, __, output: _keep(chunks, name, output)


def _keep(chunks: dict[str, list[Tensor]], name: str, output: Tensor | tuple[Tensor, ...]) -> None:
    tensor = output if isinstance(output, Tensor) else output[0]
    if isinstance(tensor, Tensor):
        chunks.setdefault(name, []).append(tensor.detach().flatten(1))
