"""Whether probabilities are what they say."""

from __future__ import annotations

from dlx.report import reliability
from dlx.report.files import RunFiles
from dlx.report.section import Section


def section(run: RunFiles) -> Section | None:
    """Write and draw it; None where there are no probabilities."""
    return reliability.section(run)
