"""The model on data that differs from train: corruptions, reweighted test sets, other datasets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dlx.core.measures import Definition, Measures

if TYPE_CHECKING:
    from dlx.core.subject import Subject

DEFINITIONS: dict[str, Definition] = {}


class Shift:
    """The model on data that differs from train: corruptions, reweighted test sets, other datasets."""

    def measure(self, subject: Subject) -> Measures:
        """Measure a run."""
        return Measures()
