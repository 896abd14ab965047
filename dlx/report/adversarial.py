"""The model against inputs changed to fool it, with checks that the attack works."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dlx.core.measures import Definition, Measures

if TYPE_CHECKING:
    from dlx.core.subject import Subject

DEFINITIONS: dict[str, Definition] = {}


class Adversarial:
    """The model against inputs changed to fool it, with checks that the attack works."""

    def measure(self, subject: Subject) -> Measures:
        """Measure a run."""
        return Measures()
