"""Which parameters are optimized alike."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from math import prod
from typing import NamedTuple

from torch import nn

from dlx.core.errors import ConfigError
from dlx.core.ranges import NonNegative
from dlx.core.types import DividesParams, OptimizerPart, ParamInfo, SearchesLoss

# Names of parameters that an error lists.
LISTED = 40


class ParamKind(NamedTuple):
    """What parameters that are optimized alike have in common.

    lr_multiplier: of the learning rate; decays: whether weight decay reaches them; role: what the optimizer calls them;
    frozen_epochs: for how many epochs they are not trained, see `dlx.engine.freeze`.
    """

    lr_multiplier: float = 1.0
    decays: bool = True
    role: str = ""
    frozen_epochs: float = 0


class ParamGroups:
    """Divides the parameters of a model.

    Args:
        decay_norm_and_bias: weight decay reaches all parameters, as in torch; false leaves out those with fewer than
            two axes, which are biases and the gains of normalizations (Karpathy, nanoGPT).
        lr_multipliers: null, or what the learning rate of parameters is multiplied with, by patterns of their names
            (`layers.0.*`, `*.bias`), each in [0, inf); 0 freezes. Of several patterns that match, the product counts.
    """

    def __init__(self, decay_norm_and_bias: bool, lr_multipliers: dict[str, NonNegative] | None) -> None:
        self.decay_norm_and_bias = decay_norm_and_bias
        self.lr_multipliers = lr_multipliers or {}

    def check(self, model: nn.Module, optimizer: OptimizerPart) -> None:
        """Raise ConfigError where a pattern matches nothing, or the optimizer has no weight decay to leave out."""
        names = [name for name, _ in model.named_parameters()]
        unmatched = [pattern for pattern in self.lr_multipliers if not any(matches(names, pattern))]
        listed = ", ".join(names[:LISTED]) + (f" … ({len(names)} in all)" if len(names) > LISTED else "")
        problems = [f"optimizer.lr_multipliers: no parameter is called {pattern!r:.100}; there are {listed}"
                    for pattern in unmatched]
        if not self.decay_norm_and_bias and not hasattr(optimizer, "weight_decay"):
            problems.append("optimizer.decay_norm_and_bias=false is for optimizers with a weight_decay; leave it out")
        if self.lr_multipliers and isinstance(optimizer, SearchesLoss):
            problems.append(f"optimizer.lr_multipliers: {optimizer.ALONE}, which move alike; leave it out")
        if problems:
            raise ConfigError(*problems)

    def kinds(self, params: Sequence[ParamInfo], optimizer: OptimizerPart) -> list[ParamKind]:
        """Return the kind of each parameter."""
        roles = optimizer.roles(params) if isinstance(optimizer, DividesParams) else [""] * len(params)
        return [ParamKind(prod((factor for pattern, factor in self.lr_multipliers.items()
                                if fnmatchcase(param.name, pattern)), start=1.0),
                          self.decay_norm_and_bias or len(param.shape) >= 2, role)
                for param, role in zip(params, roles, strict=True)]


def matches(names: Iterable[str], pattern: str) -> list[bool]:
    """Say which names a pattern matches."""
    return [fnmatchcase(name, pattern) for name in names]


def trained_params(model: nn.Module, stacked: bool) -> dict[ParamInfo, nn.Parameter]:
    """Return the parameters of a model that are trained, with what an optimizer may know of each."""
    embeddings = {id(layer.weight) for layer in model.modules() if isinstance(layer, nn.Embedding)}
    return {ParamInfo(name, tuple(leaf.shape[1:] if stacked else leaf.shape), id(leaf) in embeddings): leaf
            for name, leaf in model.named_parameters() if leaf.requires_grad}
