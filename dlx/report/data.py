"""Whether the data can be trusted: duplicates, leaks, shifts, and simple answers beside the model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dlx.core.measures import Definition, Measures

if TYPE_CHECKING:
    from dlx.core.subject import Subject

DEFINITIONS: dict[str, Definition] = {}


class Data:
    """Whether the data can be trusted: duplicates, leaks, shifts, and simple answers beside the model."""

    def measure(self, subject: Subject) -> Measures:
        """Measure a run."""
        return Measures()
