"""The hooks of regularizers in a step, those of all members together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from dlx.core.hooks import AfterUpdate, Ascends, OnGradient, OnInputs, OnOutputs, Penalty


class Hooks(NamedTuple):
    """What regularizers do in a step, by name, in the order of the configuration within each place."""

    on_inputs: Sequence[tuple[str, OnInputs]] = ()
    on_outputs: Sequence[tuple[str, OnOutputs]] = ()
    penalties: Sequence[Penalty] = ()
    ascends: Sequence[Ascends] = ()
    on_gradient: Sequence[tuple[str, OnGradient]] = ()
    after_update: Sequence[AfterUpdate] = ()
    differentiates_inputs: bool = False

    @property
    def drawing(self) -> list[str]:
        """The names of those that act while a part of a batch is computed."""
        return [name for name, _ in (*self.on_inputs, *self.on_outputs)]


def hooks_of(regularizers: Mapping[str, object]) -> Hooks:
    """Sort regularizers by their hooks."""
    named = regularizers.items()
    return Hooks(
        on_inputs=[(name, part) for name, part in named if isinstance(part, OnInputs)],
        on_outputs=[(name, part) for name, part in named if isinstance(part, OnOutputs)],
        penalties=[part for _, part in named if isinstance(part, Penalty)],
        ascends=[part for _, part in named if isinstance(part, Ascends)],
        on_gradient=[(name, part) for name, part in named if isinstance(part, OnGradient)],
        after_update=[part for _, part in named if isinstance(part, AfterUpdate)],
        differentiates_inputs=any(getattr(part, "differentiates_inputs", False) for _, part in named))
