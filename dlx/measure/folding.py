"""A model as products and what lies between: in float64 on the CPU, batch normalization folded into what it follows.

B batch, K outputs, C channels.
"""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm as BatchNorm
from torch.nn.utils import parametrize

from dlx.core.spectral import Normalized, denormalize
from dlx.measure.passes import Call

CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
# Of outputs, where folding leaves them as they were.
TOLERANCE = 1e-8


class Pair(NamedTuple):
    """The names of a linear or convolutional layer, and of the batch normalization of its outputs and nothing else."""

    layer: str
    norm: str


def plain_copy(model: nn.Module) -> nn.Module:
    """Return a copy in eval mode and float64 on the CPU, with the weights that parametrized layers compute with."""
    made = copy.deepcopy(model).cpu().double().eval()
    for layer in made.modules():
        if isinstance(layer, Normalized):
            denormalize(layer)
        if parametrize.is_parametrized(layer):
            _unparametrize(layer)
    return made


def _unparametrize(layer: nn.Module) -> None:
    # torch's own way takes the tensors from the class, which the layer shares with the one that it is a copy of.
    names = list(layer.parametrizations)  # type: ignore[arg-type]
    values = {name: getattr(layer, name).detach().clone() for name in names}
    layer.__class__ = parametrize.type_before_parametrizations(layer)
    del layer.parametrizations
    for name, value in values.items():
        layer.register_parameter(name, nn.Parameter(value))


def find_pairs(calls: Sequence[Call]) -> list[Pair]:
    """Find batch normalizations that were given what a linear or convolutional layer made, as it was made.

    Both were called once. Whether something else used what the layer made only the outputs can show: see `folded`.

    Args:
        calls: of one pass through the model.
    """
    times = Counter(call.name for call in calls)
    made = {id(call.made): call for call in calls if isinstance(call.layer, (nn.Linear, *CONVOLUTIONS))}
    pairs = []
    for call in calls:
        before = made.get(id(call.given))
        if before is not None and isinstance(call.layer, BatchNorm) and times[call.name] == times[before.name] == 1 \
                and call.given_version == before.made_version and _fit(before, call.layer):
            pairs.append(Pair(before.name, call.name))
    return pairs


def _fit(call: Call, norm: BatchNorm) -> bool:
    # Of a linear layer whose outputs are no rows the second axis is none of features.
    rows = call.made.ndim == 2 or isinstance(call.layer, CONVOLUTIONS)
    return rows and norm.running_mean is not None and call.made.shape[1] == norm.num_features


def fold(model: nn.Module, pairs: Sequence[Pair]) -> None:
    """Fold, in place, each normalization into the layer before it: W·s and (b - μ)·s + β, s = γ / √(σ² + ε)."""
    for layer_name, norm_name in pairs:
        layer, norm = model.get_submodule(layer_name), model.get_submodule(norm_name)
        assert isinstance(layer, (nn.Linear, *CONVOLUTIONS))
        assert isinstance(norm, BatchNorm)
        scale, shift = scale_and_shift(norm)
        weight = layer.weight.detach() * scale.view(-1, *[1] * (layer.weight.ndim - 1))
        bias = shift if layer.bias is None else layer.bias.detach() * scale + shift
        layer.weight, layer.bias = nn.Parameter(weight), nn.Parameter(bias)
        parent, _, child = norm_name.rpartition(".")
        setattr(model.get_submodule(parent), child, nn.Identity())


def scale_and_shift(norm: BatchNorm) -> tuple[Tensor, Tensor]:
    """Return what batch normalization does in eval mode, x · scale + shift, each [C]."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    scale = (norm.running_var + norm.eps).rsqrt()
    scale = scale if norm.weight is None else scale * norm.weight.detach()
    shift = -norm.running_mean * scale
    return scale, shift if norm.bias is None else shift + norm.bias.detach()


def folded(model: nn.Module, pairs: Sequence[Pair], x: Tensor, output: Tensor) -> tuple[nn.Module, list[Pair]]:
    """Return a copy with all of these pairs folded, and them; where that would change outputs, the model, and none.

    Args:
        model: see `plain_copy`; it stays as it is.
        x: inputs [B, ...]; output: what the model makes of them.
    """
    if not pairs:
        return model, []
    made = copy.deepcopy(model)
    fold(made, pairs)
    with torch.no_grad():
        error = (made(x) - output).abs().max()
    same = bool(error <= TOLERANCE * output.abs().max().clamp(min=1))
    return (made, list(pairs)) if same else (model, [])
