"""How training went, and what to try next."""

from __future__ import annotations

from dlx.report import curves, diagnosis
from dlx.report.files import RunFiles
from dlx.report.section import Section


def section(run: RunFiles) -> Section:
    """Write the diagnosis and draw the curves."""
    parts = tuple(part for one in (diagnosis, curves) if (part := one.section(run)) is not None)
    return Section("training", "Training", parts=parts)
