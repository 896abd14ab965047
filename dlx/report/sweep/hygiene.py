"""Whether a sweep's data can be trusted, and what simple answers reach on it."""

from __future__ import annotations

from dataclasses import replace

from dlx.report.parts.hygiene import checks_section
from dlx.report.section import Section
from dlx.report.sweep.points import Sweep


def section(sweep: Sweep) -> Section | None:
    """Tell what was found in the data of one run; None where none was checked."""
    if sweep.files.checks is None:
        return None
    name, checks = sweep.files.checks
    # What its model reaches beside simple answers is of one run, and the sweep is about all.
    found = checks_section(replace(checks, against=()), None)
    note = (f"Checked on the data of run {name}; runs with another dataset, split or preprocessing have rows or "
            f"numbers of their own. dlx data inspect checks any.")
    return replace(found, notes=(note, *found.notes))
