"""See dlx.report.adversarial."""

from __future__ import annotations

from dlx.report.files import RunFiles
from dlx.report.section import Section


def section(run: RunFiles) -> Section | None:
    """Write and draw what was measured; None where nothing was."""
    return None
