"""A composed report as files: JSON, Markdown, a page that stands alone, its pictures, and more where asked for."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from dlx.core.measures import Measures
from dlx.record import atomic, layout
from dlx.report.section import Document
from dlx.report.to_html import to_html
from dlx.report.to_json import to_json
from dlx.report.to_markdown import markdown
from dlx.report.to_tables import numbers_csv, tables


class Extras(NamedTuple):
    """What a report has beside its page.

    pdf: every figure as lines; tables: every table as CSV and LaTeX, and numbers.csv.
    """

    pdf: bool = False
    tables: bool = False


NOTHING_MORE = Extras()


def write(document: Document, folder: Path, measures: Mapping[str, Measures] = MappingProxyType({}),
          extras: Extras = NOTHING_MORE) -> Path:
    """Write a report below a run or sweep folder and return where; the same document gives the same bytes.

    Args:
        measures: what sections measured, for the JSON.
        extras: what else to write.

    Raises:
        StorageError: it cannot be written.
    """
    target = folder / layout.REPORT
    _write_figures(document, target / layout.FIGURES, extras.pdf)
    if extras.tables:
        _write_tables(document, target / layout.TABLES, measures)
    atomic.write_text(target / layout.REPORT_JSON, to_json(document, layout.FIGURES, measures))
    atomic.write_text(target / layout.REPORT_MARKDOWN, markdown(document, layout.FIGURES))
    atomic.write_text(target / layout.REPORT_HTML, to_html(document))
    return target


def _write_figures(document: Document, folder: Path, pdf: bool) -> None:
    _make(folder)
    for figure in document.figures():
        # The page holds them too: after a loss of power they are made again from the run's files.
        atomic.write_bytes(folder / f"{figure.name}.png", figure.picture.png, "none")
        if pdf:
            atomic.write_bytes(folder / f"{figure.name}.pdf", figure.picture.pdf, "none")


def _write_tables(document: Document, folder: Path, measures: Mapping[str, Measures]) -> None:
    _make(folder)
    for table in tables(document):
        atomic.write_text(folder / f"{table.name}.csv", table.csv, "none")
        atomic.write_text(folder / f"{table.name}.tex", table.latex, "none")
    if measures:
        atomic.write_text(folder / layout.NUMBERS, numbers_csv(measures), "none")


def _make(folder: Path) -> None:
    with atomic.storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
