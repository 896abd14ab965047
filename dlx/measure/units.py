"""Units that no longer tell inputs apart: dead ones of ReLUs, saturated ones of sigmoids and tanhs.

B examples, U units. A unit of a convolution is a channel, of a layer over positions a feature; its values are those at
all examples and positions.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor, nn

# Beyond these the slope of either function is below 19% of its largest.
SIGMOID_DISTANCE = 0.45
TANH_DISTANCE = 0.9
WEIGHTED = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)
Function = Literal["relu", "sigmoid", "tanh"]


class Units(NamedTuple):
    """The units of one layer.

    layer: the module with weights that was computed last before the activation, counted where one has several;
    num_idle: dead ones of a ReLU, saturated ones of a sigmoid or tanh.
    """

    layer: str
    function: Function
    num_units: int
    num_idle: int


@dataclass
class _Watch:
    """What is known of the layers so far, by name.

    least: share of a unit's values that are saturated in a saturated unit; counts: [U] values that are active (ReLU)
    or saturated; totals: values of a unit.
    """

    least: float
    functions: dict[str, Function] = field(default_factory=dict)
    counts: dict[str, Tensor] = field(default_factory=dict)
    totals: Counter[str] = field(default_factory=Counter)
    last: tuple[str, int] = ("", 1)
    seen: Counter[str] = field(default_factory=Counter)

    def begin(self) -> None:
        """Forget what was computed last: a new batch begins."""
        self.last = ("", 1)
        self.seen.clear()

    def weighted(self, name: str, axis: int, *_: Any) -> None:
        """Note that a module with weights was computed; its units lie along an axis of what it gives."""
        self.last = (name, axis)

    def recurrent(self, name: str, function: Function, module: nn.Module, _: Any, output: Any) -> None:
        """Note the states of a recurrent layer, [B, L, U], or packed."""
        states = output[0] if isinstance(output[0], Tensor) else output[0].data
        self.last = (name, -1)
        self.activation(name, function, module, _, states)

    def activation(self, own: str, function: Function, module: nn.Module, _: Any, output: Tensor) -> None:
        """Count the values of an activation."""
        layer, axis = self.last if self.last[0] else (own, 1)
        self.seen[layer] += 1
        name = layer if self.seen[layer] == 1 else f"{layer} ({self.seen[layer]})"
        values = output.detach().movedim(axis, 0).flatten(1)
        marked = (values > 0 if function == "relu" else (values - 0.5).abs() > SIGMOID_DISTANCE
                  if function == "sigmoid" else values.abs() > TANH_DISTANCE).sum(dim=1)
        self.functions[name] = function
        self.counts[name] = self.counts[name] + marked if name in self.counts else marked
        self.totals[name] += values.shape[1]

    def found(self) -> list[Units]:
        """Say of each layer how many units are idle."""
        return [Units(name, function, len(self.counts[name]), int(self._idle(name).sum()))
                for name, function in self.functions.items()]

    def _idle(self, name: str) -> Tensor:
        counts = self.counts[name]
        return counts == 0 if self.functions[name] == "relu" else counts >= self.least * self.totals[name]


def idle_units(model: nn.Module, batches: Iterable[Tensor], least: float) -> list[Units]:
    """Count dead and saturated units over batches of inputs [B, ...], layer by layer as they are computed.

    A unit of a ReLU is dead where all its values are 0. A value h is saturated where |h - 1/2| > 0.45 of a sigmoid and
    |h| > 0.9 of a tanh; a unit is where at least the share `least`, in (0, 1], of its values are. What a module does
    inside, such as the gates of an LSTM, is not seen; of `torch.nn.RNN` the states are.

    Args:
        model: in eval mode; it is left as it was.
    """
    watch = _Watch(least)
    handles = [handle for name, module in model.named_modules() for handle in _hooks(watch, name, module)]
    try:
        with torch.no_grad():
            for inputs in batches:
                watch.begin()
                model(inputs)
    finally:
        for handle in handles:
            handle.remove()
    return watch.found()


def _hooks(watch: _Watch, name: str, module: nn.Module) -> list[Any]:
    functions: dict[type[nn.Module], Function] = {nn.ReLU: "relu", nn.Sigmoid: "sigmoid", nn.Tanh: "tanh"}
    if isinstance(module, WEIGHTED):
        return [module.register_forward_hook(partial(watch.weighted, name, -1 if isinstance(module, nn.Linear) else 1))]
    if type(module) is nn.RNN:
        function: Function = "tanh" if module.nonlinearity == "tanh" else "relu"
        return [module.register_forward_hook(partial(watch.recurrent, name, function))]
    own = next((word for kind, word in functions.items() if isinstance(module, kind)), None)
    return [] if own is None else [module.register_forward_hook(partial(watch.activation, name, own))]
