"""How training went, and what to try next."""

from __future__ import annotations

from dlx.report.diagnosing import diagnosis
from dlx.report.files import RunFiles
from dlx.report.parts import curves, layer_curves
from dlx.report.section import Section


def section(run: RunFiles) -> Section:
    """Write the diagnosis, draw the curves, and say what happened to each layer."""
    parts = tuple(part for one in (diagnosis, curves, layer_curves) if (part := one.section(run)) is not None)
    return Section("training", "Training", parts=parts)
