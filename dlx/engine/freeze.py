"""Which parameters are not trained, and for how long."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase

import torch
from torch import Tensor, nn

from dlx.core.errors import ConfigError
from dlx.core.head import head_tensors
from dlx.core.ranges import Count
from dlx.core.types import OptimizerPart, SearchesLoss
from dlx.engine.flat import Flat

# Stands for all parameters but the head's: what linear probing freezes.
BACKBONE = "backbone"
# Names of parameters that an error lists.
LISTED = 40


class Freeze:
    """Says for how many epochs from the start each parameter is frozen: it gets no gradient, update or decay.

    Args:
        freeze: null; the names, as patterns (`blocks.*`), of parameters that are never trained, one or a list; or names
            with the number of epochs that they stay frozen, in [1, inf). `backbone` stands for all but the head. Of
            several that match, the longest counts.
    """

    def __init__(self, freeze: str | list[str] | dict[str, Count] | None) -> None:
        if isinstance(freeze, dict):
            self.patterns: dict[str, float] = dict(freeze)
        else:
            self.patterns = dict.fromkeys([freeze] if isinstance(freeze, str) else freeze or [], math.inf)

    def check(self, model: nn.Module, optimizer: OptimizerPart | None) -> None:
        """Raise ConfigError as `epochs` does, or where the optimizer moves all parameters alike; None is not known."""
        self.epochs(model)
        if self.patterns and isinstance(optimizer, SearchesLoss):
            raise ConfigError(f"model.freeze: {optimizer.ALONE}, which move alike; leave it out, or choose another "
                              f"optimizer")

    def epochs(self, model: nn.Module) -> dict[str, float]:
        """Return for how many epochs each parameter of a model is frozen, by name; 0 for most, inf for never trained.

        Raises:
            ConfigError: a pattern that matches nothing, or nothing that is left to train.
        """
        names = [name for name, _ in model.named_parameters()]
        backbone = set(names) - head_tensors(model)
        matched = {pattern: backbone if pattern == BACKBONE else {name for name in names if fnmatchcase(name, pattern)}
                   for pattern in self.patterns}
        problems = [f"model.freeze: no parameter is called {pattern!r:.100}; there are {_listed(names)}"
                    for pattern, found in matched.items() if not found]
        found = {name: max((epochs for pattern, epochs in self.patterns.items() if name in matched[pattern]), default=0)
                 for name in names}
        if self.patterns and all(found.values()):
            problems.append(f"model.freeze={list(self.patterns)} freezes every parameter in the first epoch, so that "
                            f"nothing is trained; leave out some")
        if problems:
            raise ConfigError(*problems)
        return found


@contextlib.contextmanager
def held(model: nn.Module, flat: Flat, optimizer: torch.optim.Optimizer, epoch: int) -> Iterator[None]:
    """Keep what is frozen in an epoch, counted from 0, as it is while the block trains.

    A parameter without a gradient is passed over by every optimizer: nothing decays or moves it, and it has no state
    until it thaws, when it begins as at a first step. A batch normalization whose parameters are all frozen normalizes
    as in evaluation, and its statistics stay.
    """
    leaves = [leaf for leaf, kind in zip(flat.leaves, flat.kinds, strict=True) if kind.frozen_epochs > epoch]
    if not leaves:
        yield
        return
    norms = [layer for layer in model.modules() if isinstance(layer, nn.modules.batchnorm._BatchNorm) and layer.training
             and {*map(id, layer.parameters())} <= {*map(id, leaves)} and layer.affine]
    groups = [group for group in optimizer.param_groups if flat.blocks[group["block"]].kind.frozen_epochs > epoch]
    gradients = [(param, param.grad) for group in groups for param in group["params"]]
    try:
        _hold(leaves, norms, gradients, is_held=True)
        yield
    finally:
        _hold(leaves, norms, gradients, is_held=False)


def _hold(leaves: Sequence[nn.Parameter], norms: Sequence[nn.Module],
          gradients: Sequence[tuple[nn.Parameter, Tensor | None]], is_held: bool) -> None:
    for leaf in leaves:
        leaf.requires_grad_(not is_held)
    for layer in norms:
        layer.train(not is_held)
    for param, gradient in gradients:
        param.grad = None if is_held else gradient


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:LISTED]) + (f" … ({len(names)} in all)" if len(names) > LISTED else "")
