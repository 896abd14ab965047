"""What the last step of an epoch does to each weight, as layers.csv keeps it. R members, L weights."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple, Self

import torch
from torch import Tensor, nn

from dlx.engine.flat import Flat
from dlx.record.layers import LayerRow, layer_name

# Norms of the gradient, of the update and of the weight.
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
        """Return the norms of gradient, update and weight of each weight after a step, [R, L, 3] on the device.

        The gradient is the one that the optimizer followed: after clipping, and of SAM at the point it climbed to.

        Args:
            before: the weights before the step; it is overwritten.
            epoch: counted from 0. A weight that is frozen in it has neither gradient nor update: NaN.
        """
        torch._foreach_sub_(list(before), [param.detach() for param in self.params])
        norms: list[Tensor] = []
        for param, update, frozen_epochs in zip(self.params, before, self.frozen_epochs, strict=True):
            assert param.grad is not None
            norm = _norms(param.detach())
            none = torch.full_like(norm, math.nan) if frozen_epochs > epoch else None
            norms += [_norms(param.grad) if none is None else none, _norms(update) if none is None else none, norm]
        return torch.stack(norms, dim=1).view(-1, len(self.params), NUM_VALUES)


def layer_rows(names: Sequence[str], epoch: int, step: int, values: Tensor) -> list[LayerRow]:
    """Return the rows of one epoch and member.

    Args:
        values: norms of gradient, update and weight, [L, 3].
    """
    return [LayerRow(epoch, step, name, _finite(gradient), _finite(update / weight) if weight else None,
                     _finite(weight))
            for name, (gradient, update, weight) in zip(names, values.tolist(), strict=True)]


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _norms(tensor: Tensor) -> Tensor:
    norms: Tensor = torch.linalg.vector_norm(tensor.flatten(1), dim=1)
    return norms
