"""What layers make of inputs: rank, dimension, neural collapse."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dlx.core.measures import Definition, Measures

if TYPE_CHECKING:
    from dlx.core.subject import Subject

DEFINITIONS: dict[str, Definition] = {}


class Representation:
    """What layers make of inputs: rank, dimension, neural collapse."""

    def measure(self, subject: Subject) -> Measures:
        """Measure a run."""
        return Measures()
