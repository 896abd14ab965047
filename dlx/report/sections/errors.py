"""What the model gets wrong."""

from __future__ import annotations

from dlx.report import confusion, labels, residuals, sequences, transcriptions
from dlx.report.files import RunFiles
from dlx.report.section import Section

PARTS = (confusion, residuals, sequences, transcriptions, labels)


def section(run: RunFiles) -> Section | None:
    """Write and draw it; None without predictions."""
    parts = tuple(part for one in PARTS if (part := one.section(run)) is not None)
    return Section("errors", "Errors", parts=parts) if parts else None
