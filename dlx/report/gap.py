"""How well it generalizes: metrics and gaps at the best and the last checkpoint, guarantees, optimism."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dlx.core.measures import Definition, Measures

if TYPE_CHECKING:
    from dlx.core.subject import Subject

DEFINITIONS: dict[str, Definition] = {}


class Gap:
    """How well it generalizes: metrics and gaps at the best and the last checkpoint, guarantees, optimism."""

    def measure(self, subject: Subject) -> Measures:
        """Measure a run."""
        return Measures()
