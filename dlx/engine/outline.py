"""A model layer by layer: kinds, output shapes, parameter counts."""

from __future__ import annotations

from typing import Any, NamedTuple

from torch import Tensor, nn

from dlx.core.types import TaskSpec
from dlx.engine.build import input_of_zeros, meta_model
from dlx.engine.parts import Parts


class Layer(NamedTuple):
    """One module without children; output_shape is that for one example."""

    name: str
    kind: str
    output_shape: tuple[int, ...]
    num_parameters: int


def outline(parts: Parts, spec: TaskSpec) -> list[Layer]:
    """Return the layers in the order in which one example passes them. Nothing is allocated."""
    model = meta_model(parts, spec).eval()
    layers: list[Layer] = []

    def watch(name: str, module: nn.Module) -> None:
        def note(_: nn.Module, __: object, output: Tensor | tuple[Any, ...]) -> None:
            count = sum(param.numel() for param in module.parameters())
            # A recurrent layer gives its last state beside its outputs.
            first = output if isinstance(output, Tensor) else output[0]
            layers.append(Layer(name, type(module).__name__, tuple(first.shape[1:]), count))

        module.register_forward_hook(note)

    for name, module in model.named_modules():
        if not list(module.children()):
            watch(name, module)
    model(input_of_zeros(spec).to("meta"))
    return layers
