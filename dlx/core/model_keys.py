"""The keys of any model beside its own: factors of its sizes, saved weights, what of it is not trained."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any

from dlx.core.errors import ConfigError
from dlx.core.ranges import Range

Factor = Annotated[float, Range("(0, 65536]")]
# With the value at which each changes nothing; a run that was saved without one had that.
SIZES: dict[str, Any] = {"width_multiplier": 1.0, "depth_multiplier": 1.0}
INERT: dict[str, Any] = {**SIZES, "init_from": None, "freeze": None}


def divide_model(values: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Divide the values of a model's configuration into the keys of any model, all of them, and its own."""
    keys = {name: values.get(name, inert) for name, inert in INERT.items()}
    return keys, {name: value for name, value in values.items() if name not in INERT}


def effective_model(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of a model's configuration without the keys of any model that change nothing."""
    return {name: value for name, value in values.items() if name not in INERT or value != INERT[name]}


class ModelKeys:
    """Changes a model's arguments. A size is multiplied, then rounded to the nearest whole number, at least 1.

    Args:
        width_multiplier: of the argument `width`, in (0, 65536].
        depth_multiplier: of the argument `depth`, in (0, 65536]; a depth of 0 stays.
    """

    def __init__(self, width_multiplier: Factor, depth_multiplier: Factor) -> None:
        self.factors = {"width": width_multiplier, "depth": depth_multiplier}

    def changed(self, model: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Return the arguments of a model with its sizes multiplied.

        Args:
            model: its name, for messages.
            arguments: as the configuration gives them.

        Raises:
            ConfigError: it has no such size.
        """
        factors = {name: factor for name, factor in self.factors.items() if factor != 1}
        problems = [f"model.{name}_multiplier={factor:g} multiplies model.{name}, and model={model} has none; leave it "
                    f"at 1" for name, factor in factors.items() if name not in arguments]
        if problems:
            raise ConfigError(*problems)
        return {**arguments, **{name: _multiplied(arguments[name], factor) for name, factor in factors.items()}}


def _multiplied(size: int, factor: float) -> int:
    return max(min(size, 1), math.floor(size * factor + 0.5))
