"""Whether the data can be trusted."""

from __future__ import annotations

from dlx.report.files import RunFiles
from dlx.report.parts import hygiene
from dlx.report.section import Section


def section(run: RunFiles) -> Section | None:
    """Write it; None where the data was not checked."""
    return hygiene.section(run)
