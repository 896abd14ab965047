"""The layers of a model that norms are of, and what is measured of each. K outputs, C inputs, G groups."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm as BatchNorm
from torch.nn.modules.instancenorm import _InstanceNorm as InstanceNorm

from dlx.measure.folding import CONVOLUTIONS, scale_and_shift
from dlx.measure.passes import Call
from dlx.measure.spectral_norms import EXACT, Norm, circular_norm, matrix_norm, operator_norm

NORMALIZATIONS = (nn.LayerNorm, nn.GroupNorm, nn.RMSNorm, InstanceNorm)
WHOLE = "model"


class Layer(NamedTuple):
    """The weights of one product.

    kind: of its module; weight: [K, ...] in float64, of a scale [K]; form: what it is as an operator; module: it.
    """

    name: str
    kind: str
    weight: Tensor
    form: Literal["matrix", "convolution", "scale"]
    module: nn.Module

    def rows(self) -> Tensor:
        """Return the weight as a matrix, a row for each output; a scale has one number in each."""
        return self.weight.view(len(self.weight), -1)


class LayerNorms(NamedTuple):
    """What is measured of a layer; circular and matrix are None where they are no other norm than spectral.

    rows: the sum of the norms of the rows of the difference from the initial weights, ‖(W - W0)ᵀ‖₂,₁.
    """

    name: str
    frobenius: float
    spectral: Norm
    circular: float | None
    matrix: float | None
    stable_rank: float | None
    distance: float
    initial: float
    rows: float


def layers_of(model: nn.Module) -> list[Layer]:
    """List the layers with weights, in the order of the model's modules.

    They are linear and convolutional layers, scales of normalizations, and every other parameter with two axes whose
    name has "weight" in it: an embedding's, those of recurrent layers with their gates one below the other, those of
    queries, keys and values of torch's own attention. A module of its own is one layer, however often it is called.
    """
    return [layer for name, module in model.named_modules() for layer in _layers(name or WHOLE, module)]


def _layers(name: str, module: nn.Module) -> list[Layer]:
    kind = type(module).__name__
    if isinstance(module, CONVOLUTIONS):
        return [Layer(name, kind, module.weight.detach(), "convolution", module)]
    if isinstance(module, BatchNorm) and module.running_mean is not None:
        return [Layer(name, kind, scale_and_shift(module)[0], "scale", module)]
    if isinstance(module, NORMALIZATIONS):
        # Of instance normalization no scale may be there to learn.
        return [] if module.weight is None else [Layer(name, kind, module.weight.detach().flatten(), "scale", module)]
    own = [(key, param.detach()) for key, param in module.named_parameters(recurse=False)
           if param.ndim == 2 and "weight" in key]
    return [Layer(name if key == "weight" else f"{name}.{key}", kind, weight, "matrix", module) for key, weight in own]


def measure_layers(layers: Sequence[Layer], initial: Mapping[str, Layer], calls: Sequence[Call]) -> list[LayerNorms]:
    """Measure each layer, a convolution on images as large as those of its first call.

    Args:
        initial: the same layers before training, by name.
        calls: of one pass through the model, with normalizations folded or not.
    """
    shapes: dict[str, tuple[int, ...]] = {}
    for call in calls:
        shapes.setdefault(call.name or WHOLE, (1, *call.given.shape[1:]))
    return [_measure(layer, initial[layer.name], shapes.get(layer.name)) for layer in layers]


def _measure(layer: Layer, initial: Layer, shape: tuple[int, ...] | None) -> LayerNorms:
    frobenius = float(torch.linalg.vector_norm(layer.weight))
    change = layer.rows() - initial.rows()
    matrix = float(layer.weight.abs().max()) if layer.form == "scale" else matrix_norm(layer.rows())
    spectral, circular = Norm(matrix, EXACT), None
    convolution = layer.module
    if layer.form == "convolution" and shape is not None:
        assert isinstance(convolution, CONVOLUTIONS)
        spectral = operator_norm(convolution, shape)
        circular = circular_norm(layer.weight, shape[2:], convolution.stride, convolution.dilation, convolution.groups)
    return LayerNorms(
        layer.name, frobenius, spectral, circular, matrix if layer.form == "convolution" else None,
        frobenius**2 / matrix**2 if matrix > 0 else None, float(torch.linalg.vector_norm(change)),
        float(torch.linalg.vector_norm(initial.weight)), float(torch.linalg.vector_norm(change, dim=1).sum()))


def parameter_norms(model: nn.Module, initial: nn.Module) -> tuple[float, float, float]:
    """Return ‖w‖₂, ‖w0‖₂ and ‖w - w0‖₂ over all parameters, each tensor once, in float64."""
    pairs = [(own.detach().double().cpu(), other.detach().double().cpu())
             for own, other in zip(model.parameters(), initial.parameters(), strict=True)]
    return (_joint([own for own, _ in pairs]), _joint([other for _, other in pairs]),
            _joint([own - other for own, other in pairs]))


def _joint(tensors: Sequence[Tensor]) -> float:
    return math.sqrt(sum(float(tensor.square().sum()) for tensor in tensors))
