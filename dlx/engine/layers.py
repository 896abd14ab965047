"""What the last step of an epoch does to each weight, as layers.csv keeps it. R members, L weights."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple, Self

import torch
from torch import Tensor, nn

from dlx.engine.flat import Flat
from dlx.record.layers import LayerRow, layer_name

# Gradient norm, update ratio, weight norm.
NUM_VALUES = 3


class Layers(NamedTuple):
    """The weights that are watched: parameters with two axes or more.

    names: see `dlx.record.layers`; params: [R, *shape]; frozen_epochs: for how many epochs each is not trained.
    """

    names: tuple[str, ...]
    params: tuple[nn.Parameter, ...]
    frozen_epochs: tuple[float, ...]

    @classmethod
    def of(cls, flat: Flat, names: Sequence[str]) -> Self:
        """Watch the weights among parameters, whose names are given."""
        found = [(layer_name(name), param, kind.frozen_epochs)
                 for name, param, kind in zip(names, flat.params, flat.kinds, strict=True) if param.ndim > 2]
        return cls(*map(tuple, zip(*found, strict=True))) if found else cls((), (), ())

    def copies(self) -> list[Tensor]:
        """Copy the weights, before a step."""
        return [param.detach().clone() for param in self.params]

    def change(self, before: Sequence[Tensor], epoch: int) -> Tensor:
        """Return gradient norm, update ratio and weight norm of each weight after a step, [R, L, 3] on the device.

        The gradient is the one that the optimizer followed: after clipping, and of SAM at the point it climbed to.

        Args:
            before: the weights before the step.
            epoch: counted from 0. A weight that is frozen in it has no gradient and no ratio: NaN.
        """
        found = [self._values(number, old) if self.frozen_epochs[number] <= epoch else self._frozen(number)
                 for number, old in enumerate(before)]
        return torch.stack(found, dim=1)

    def _values(self, number: int, old: Tensor) -> Tensor:
        param = self.params[number]
        assert param.grad is not None
        update = _norms(param.detach() - old)
        return torch.stack([_norms(param.grad), update / _norms(old), _norms(param.detach())], dim=1)

    def _frozen(self, number: int) -> Tensor:
        norms = _norms(self.params[number].detach())
        none = torch.full_like(norms, math.nan)
        return torch.stack([none, none, norms], dim=1)


def layer_rows(names: Sequence[str], epoch: int, step: int, values: Tensor) -> list[LayerRow]:
    """Return the rows of one epoch and member; values [L, 3]."""
    return [LayerRow(epoch, step, name, *(value if math.isfinite(value) else None for value in own))
            for name, own in zip(names, values.tolist(), strict=True)]


def _norms(tensor: Tensor) -> Tensor:
    norms: Tensor = torch.linalg.vector_norm(tensor.flatten(1), dim=1)
    return norms
