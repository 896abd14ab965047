"""The model on data that differs from train: corrupted, reweighted, and other datasets."""

from __future__ import annotations

from dlx.report.files import RunFiles
from dlx.report.parts.corruption_words import corruption_part
from dlx.report.parts.other_words import others_part
from dlx.report.parts.reweighting_words import reweighting_part
from dlx.report.section import Section


def section(run: RunFiles) -> Section | None:
    """Write and draw what was measured; None where nothing was."""
    measures, others = run.measures.get("shift"), others_part(run.measures)
    parts = [] if measures is None else [corruption_part(measures), reweighting_part(measures)]
    found = tuple(part for part in (*parts, others) if part is not None)
    skipped = () if measures is None else tuple(measures.skipped)
    return Section("shift", "Data that differs from train", notes=skipped, parts=found) if found or skipped else None
