"""A composed report as files: JSON, Markdown, a page that stands alone, and its pictures."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from dlx.core.measures import Measures
from dlx.record import atomic, layout
from dlx.report.section import Document
from dlx.report.to_html import to_html
from dlx.report.to_json import to_json
from dlx.report.to_markdown import markdown


def write(document: Document, folder: Path, measures: Mapping[str, Measures] = MappingProxyType({})) -> Path:
    """Write a report below a run or sweep folder and return where; the same document gives the same bytes.

    Args:
        measures: what sections measured, for the JSON.

    Raises:
        StorageError: it cannot be written.
    """
    target = folder / layout.REPORT
    figures = target / layout.FIGURES
    with atomic.storage_errors(figures):
        figures.mkdir(parents=True, exist_ok=True)
    for figure in document.figures():
        atomic.write_bytes(figures / f"{figure.name}.png", figure.png)
    atomic.write_text(target / layout.REPORT_JSON, to_json(document, layout.FIGURES, measures))
    atomic.write_text(target / layout.REPORT_MARKDOWN, markdown(document, layout.FIGURES))
    atomic.write_text(target / layout.REPORT_HTML, to_html(document))
    return target
