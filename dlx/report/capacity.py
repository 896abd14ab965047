"""How large the model is: parameters, operations, norms, distance from the initial weights, margins."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dlx.core.measures import Definition, Measures

if TYPE_CHECKING:
    from dlx.core.subject import Subject

DEFINITIONS: dict[str, Definition] = {}


class Capacity:
    """How large the model is: parameters, operations, norms, distance from the initial weights, margins."""

    def measure(self, subject: Subject) -> Measures:
        """Measure a run."""
        return Measures()
