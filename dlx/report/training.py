"""How training went: curves, gradients and updates of layers, dead units, and what to try next."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dlx.core.measures import Definition, Measures

if TYPE_CHECKING:
    from dlx.core.subject import Subject

DEFINITIONS: dict[str, Definition] = {}


class Training:
    """How training went: curves, gradients and updates of layers, dead units, and what to try next."""

    def measure(self, subject: Subject) -> Measures:
        """Measure a run."""
        return Measures()
