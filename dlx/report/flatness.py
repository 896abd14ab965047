"""How the loss changes around the weights: curvature, sharpness, noise that the model bears, landscapes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dlx.core.measures import Definition, Measures

if TYPE_CHECKING:
    from dlx.core.subject import Subject

DEFINITIONS: dict[str, Definition] = {}


class Flatness:
    """How the loss changes around the weights: curvature, sharpness, noise that the model bears, landscapes."""

    def measure(self, subject: Subject) -> Measures:
        """Measure a run."""
        return Measures()
