"""What the model gets wrong: classes, the most confident mistakes, labels that may be wrong, residuals."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dlx.core.measures import Definition, Measures

if TYPE_CHECKING:
    from dlx.core.subject import Subject

DEFINITIONS: dict[str, Definition] = {}


class Errors:
    """What the model gets wrong: classes, the most confident mistakes, labels that may be wrong, residuals."""

    def measure(self, subject: Subject) -> Measures:
        """Measure a run."""
        return Measures()
