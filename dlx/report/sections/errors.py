"""What the model gets wrong."""

from __future__ import annotations

from dlx.report.files import RunFiles
from dlx.report.measuring import mistakes
from dlx.report.parts import (
    class_table,
    confusion,
    labels,
    positions,
    residual_table,
    residuals,
    sequences,
    transcriptions,
)
from dlx.report.section import Section

PARTS = (confusion.section, class_table.section, residuals.section, residual_table.section, sequences.section,
         positions.section, transcriptions.section, labels.section, mistakes.section, mistakes.doubtful)


def section(run: RunFiles) -> Section | None:
    """Write and draw it; None without predictions."""
    parts = tuple(part for write in PARTS if (part := write(run)) is not None)
    return Section("errors", "Errors", parts=parts) if parts else None
