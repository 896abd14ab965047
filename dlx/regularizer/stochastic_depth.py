"""Stochastic depth."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from dlx.core.errors import ConfigError
from dlx.core.ranges import Rate

if TYPE_CHECKING:
    from torch import nn


class StochasticDepthRate:
    """Leaves out residual branches of the model for single examples, the deeper the more often.

    Branch l of L, from the inputs on, is left out with probability rate · l / L.
    Source: Huang, Sun, Liu, Sedra and Weinberger, Deep networks with stochastic depth, 2016, whose "linear decay" with
    rate 0.5 is for 110 layers; a network of 20 wants less.

    Args:
        rate: of the last branch, in [0, 1).
    """

    MEMBER_VALUES: ClassVar[tuple[str, ...]] = ("rate",)

    def __init__(self, rate: Rate) -> None:
        self.rate = rate

    def on_model(self, model: nn.Module) -> nn.Module:
        """Return the model with the rates set. Raises ConfigError where it has no branch that can be left out."""
        from dlx.core.layers import StochasticDepth

        layers = [module for module in model.modules() if isinstance(module, StochasticDepth)]
        if not layers:
            raise ConfigError("regularizer=stochastic_depth needs a model with residual branches, as resnet and "
                              f"transformer have; {type(model).__name__} has none that can be left out")
        for number, layer in enumerate(layers, start=1):
            layer.rate = self.rate * number / len(layers)
        return model
