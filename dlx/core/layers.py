"""Layers that models share: keyed dropout, activations, normalization, initialization. B batch, D features,
R members."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from dlx.core.errors import ConfigError
from dlx.core.ranks import ALONE, Ranks

Activation = Literal["relu", "leaky_relu", "tanh", "sigmoid", "gelu", "silu", "elu", "identity"]
Norm = Literal["none", "batch", "layer", "group"]
Init = Literal["torch", "he", "xavier", "lecun", "orthogonal", "normal"]
# Layers of torch that draw from its global generator, which no key reaches.
UNKEYED = (nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout, nn.FeatureAlphaDropout, nn.RReLU)
# Groups of a group normalization, where that many divide the features.
GROUPS = 8
# Standard deviation of init=normal at scale 1, that of GPT-2.
NORMAL_STD = 0.02

ACTIVATIONS: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU,
    "leaky_relu": nn.LeakyReLU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "elu": nn.ELU,
    "identity": nn.Identity,
}


class Dropout(nn.Module):
    """Sets each unit to zero with probability `rate` and scales the rest by 1 / (1 - rate), in training mode.

    Masks come from generators that the engine seeds anew at every step, never from torch's global generator.

    Args:
        rate: in [0, 1); a regularizer may change it.
    """

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate
        # Each member's rate and generator; bound by the engine.
        self.draws: Sequence[tuple[float, torch.Generator]] = ()
        # The mask is drawn for the batch of all processes, so that it is the same whatever their number.
        self.ranks: Ranks = ALONE

    def forward(self, x: Tensor) -> Tensor:
        """Map x [R·B, ...] to the same shape."""
        if not self.training or not (self.draws or self.rate):
            return x
        assert self.draws, "the engine binds generators before training"
        mask = self.ranks.whole(self.units(x))
        for own, (rate, generator) in zip(mask.chunk(len(self.draws)), self.draws, strict=True):
            if rate > 0:
                own.bernoulli_(1.0 - rate, generator=generator).div_(1.0 - rate)
            else:
                own.fill_(1.0)
        return x * self.ranks.own(mask, len(self.draws))

    def units(self, x: Tensor) -> Tensor:
        """Return a tensor [R·B, ...] with one number for each thing that is kept or not; its values do not matter."""
        return x

    def extra_repr(self) -> str:
        """Show the rate."""
        return f"rate={self.rate:g}"


class StochasticDepth(Dropout):
    """Sets the whole of an example to zero with probability `rate`: what a residual block adds to its input.

    Source: Huang, Sun, Liu, Sedra and Weinberger, Deep networks with stochastic depth, 2016; scaled in training as
    dropout is, not in evaluation.
    """

    def units(self, x: Tensor) -> Tensor:
        """Return one number of each example, [R·B, 1, ...]."""
        return x.flatten(1)[:, 0].view(-1, *[1] * (x.ndim - 1))


def hidden_layers(num_inputs: int, width: int, depth: int, activation: Activation, norm: Norm, dropout_rate: float
                  ) -> list[nn.Module]:
    """Return the hidden layers of a perceptron, each linear, normalization, activation, dropout.

    Args:
        num_inputs: features of its inputs [B, num_inputs].
        width: units of each layer.
        depth: number of layers; without any there is nothing.
    """
    layers: list[nn.Module] = []
    for _ in range(depth):
        layers += [nn.Linear(num_inputs, width), *norm_layers(norm, width, 1), ACTIVATIONS[activation](),
                   Dropout(dropout_rate)]
        num_inputs = width
    return layers


def norm_layers(norm: Norm, num_features: int, num_dims: Literal[1, 2]) -> list[nn.Module]:
    """Return a normalization layer, or none.

    Args:
        norm: "batch" (Ioffe and Szegedy 2015), "layer" (Ba, Kiros and Hinton 2016), "group" (Wu and He 2018; 8 groups,
            or as many as divide both 8 and D) or "none".
        num_features: D, or channels.
        num_dims: 1 for vectors [B, D], 2 for images [B, D, H, W], whose layer norm is over D, H and W.

    Raises:
        ConfigError: each feature of a vector would be normalized by itself, which leaves nothing of it.
    """
    if num_dims == 1 and num_features == {"layer": 1, "group": math.gcd(num_features, GROUPS)}.get(norm):
        raise ConfigError(f"model.norm={norm} normalizes each of {num_features} features by itself, which leaves "
                          f"nothing of them; use a larger model.width or model.norm=batch")
    if norm == "none":
        return []
    if norm == "batch":
        return [nn.BatchNorm1d(num_features) if num_dims == 1 else nn.BatchNorm2d(num_features)]
    if norm == "group":
        return [nn.GroupNorm(math.gcd(num_features, GROUPS), num_features)]
    return [nn.LayerNorm(num_features) if num_dims == 1 else nn.GroupNorm(1, num_features)]


def initialize(module: nn.Module, init: Init, scale: float = 1.0) -> None:
    """Draw the weights of every linear, convolutional and recurrent layer anew, gate by gate; biases become zero.

    "torch" keeps what the constructors drew, biases too. "he": normal, variance 2 / fan-in (He et al. 2015); "xavier":
    uniform, variance 2 / (fan-in + fan-out) (Glorot and Bengio 2010); "lecun": normal, variance 1 / fan-in (LeCun et
    al. 1998); "orthogonal": Saxe et al. 2014; "normal": standard deviation 0.02 (Radford et al. 2019).

    Args:
        scale: what these weights are then multiplied with, in (0, inf).
    """
    for layer in module.modules():
        weights, biases = _drawn(layer)
        if init != "torch":
            for weight in weights:
                INITIALIZERS[init](weight)
            for bias in biases:
                nn.init.zeros_(bias)
        if scale != 1:
            with torch.no_grad():
                for weight in weights:
                    weight.mul_(scale)


def _drawn(layer: nn.Module) -> tuple[list[Tensor], list[Tensor]]:
    """List the weights of a layer that `initialize` is for, and the biases."""
    if isinstance(layer, nn.RNNBase):
        named = [(name, param.detach()) for name, param in layer.named_parameters()]
        # Its gates lie one below the other.
        gates = [torch.split(weight, layer.hidden_size) for name, weight in named if name.startswith("weight")]
        return [gate for weight in gates for gate in weight], [bias for name, bias in named if name.startswith("bias")]
    if isinstance(layer, nn.Linear | nn.Conv1d | nn.Conv2d):
        return [layer.weight], [] if layer.bias is None else [layer.bias]
    return [], []


def _lecun_normal(weight: Tensor) -> Tensor:
    fan_in = weight[0].numel()
    return nn.init.normal_(weight, std=1 / math.sqrt(fan_in))


def _he_normal(weight: Tensor) -> Tensor:
    return nn.init.kaiming_normal_(weight, nonlinearity="relu")


def _normal(weight: Tensor) -> Tensor:
    return nn.init.normal_(weight, std=NORMAL_STD)


INITIALIZERS: dict[str, Callable[[Tensor], Tensor]] = {
    "he": _he_normal,
    "xavier": nn.init.xavier_uniform_,
    "lecun": _lecun_normal,
    "orthogonal": nn.init.orthogonal_,
    "normal": _normal,
}
