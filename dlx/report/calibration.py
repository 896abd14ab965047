"""Whether probabilities are what they say: NLL, Brier score, calibration errors, temperature, coverage."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dlx.core.measures import Definition, Measures

if TYPE_CHECKING:
    from dlx.core.subject import Subject

DEFINITIONS: dict[str, Definition] = {}


class Calibration:
    """Whether probabilities are what they say: NLL, Brier score, calibration errors, temperature, coverage."""

    def measure(self, subject: Subject) -> Measures:
        """Measure a run."""
        return Measures()
