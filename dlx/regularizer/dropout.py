"""Dropout."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from dlx.core.errors import ConfigError
from dlx.core.ranges import Rate

if TYPE_CHECKING:
    from torch import nn


class DropoutRate:
    """Sets the rate of every dropout layer of the model.

    Source: Srivastava, Hinton, Krizhevsky, Sutskever and Salakhutdinov, Dropout, 2014. The same as model.dropout_rate,
    as a regularizer: composable, comparable, and an error on a model that has none.

    Args:
        rate: probability of dropping a unit, in [0, 1).
    """

    MEMBER_VALUES: ClassVar[tuple[str, ...]] = ("rate",)

    def __init__(self, rate: Rate) -> None:
        self.rate = rate

    def on_model(self, model: nn.Module) -> nn.Module:
        """Return the model with the rate set. Raises ConfigError where it has no dropout layer."""
        from dlx.core.layers import Dropout

        layers = [module for module in model.modules() if type(module) is Dropout]
        if not layers:
            raise ConfigError(f"regularizer=dropout needs a model with dropout layers; {type(model).__name__} has none")
        for layer in layers:
            layer.rate = self.rate
        return model
