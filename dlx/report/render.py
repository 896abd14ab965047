"""From a run folder to its report: read, say, write."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path

from dlx.report import draw
from dlx.report.diagnosing.diagnosis import diagnose_run
from dlx.report.diagnosing.finding import Diagnosis
from dlx.report.files import RunFiles, read_run
from dlx.report.lead import lead
from dlx.report.section import Document, Section
from dlx.report.sections.gap import verdict
from dlx.report.summary import Summary
from dlx.report.write import NOTHING_MORE, Extras, write

# In reading order; each is dlx/report/sections/<name>.py with `section(run)`.
SECTIONS = ("gap", "training", "calibration", "errors", "data", "capacity", "flatness", "representation", "shift",
            "adversarial", "further", "facts", "method")


@dataclass(frozen=True)
class Report:
    """A report that was written.

    Args:
        folder: where it lies.
        document: what it says.
        diagnosis: how the training went.
        summary: what was measured; None where nothing was.
    """

    folder: Path
    document: Document
    diagnosis: Diagnosis
    summary: Summary | None


def render(folder: Path, sections: Sequence[str] = SECTIONS, extras: Extras = NOTHING_MORE) -> Report:
    """Write report.json, report.md, report.html and the figures of a run folder.

    The same files give the same bytes.

    Args:
        folder: the run folder.
        sections: names of sections, in reading order.
        extras: what else to write.

    Raises:
        ArtefactError: the folder is no run folder, or one of its files is damaged.
        StorageError: the report cannot be written.
    """
    run = read_run(folder)
    with draw.uncollected():
        report = compose(run, sections)
        return Report(write(report, folder, run.measures, extras), report, diagnose_run(run), run.summary)


def compose(run: RunFiles, sections: Sequence[str] = SECTIONS) -> Document:
    """Ask each section what it has to say."""
    diagnosis = diagnose_run(run)
    said = (_section(name, run) for name in sections)
    return Document(run.name, verdict(run.summary, diagnosis), diagnosis.kind,
                    tuple(section for section in said if section is not None), lead(run, diagnosis))


def _section(name: str, run: RunFiles) -> Section | None:
    section: Section | None = import_module(f"dlx.report.sections.{name}").section(run)
    return None if section is None else replace(section, key=name)
