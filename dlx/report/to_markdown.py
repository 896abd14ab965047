"""A report as Markdown."""

from __future__ import annotations

import re

from dlx.report.section import Document, Figure, Section, Table, Told
from dlx.report.words import TOPICS

# An underscore inside of a word and a bracket that starts no link mean nothing.
SPECIAL = re.compile(r"([\\`*<>|#~$&!]|(?<!\w)_|_(?!\w)|\](?=[(\[:]))")


def markdown(document: Document, figures: str) -> str:
    """Write a report; `figures` is the folder of the pictures, relative to the file."""
    lines = [f"# {escape(document.title)}", ""]
    first, *others = document.lead or (Told("result", document.verdict),)
    lines += [f"**{escape(first.text)}**", "", *(line for told in others for line in _told(told))]
    for section in document.sections:
        lines += _section(section, figures, 2)
    return "\n".join(lines).rstrip() + "\n"


def escape(text: str) -> str:
    """Take the meaning from what Markdown or HTML would interpret, and the line breaks."""
    return SPECIAL.sub(r"\\\1", " ".join(text.split()))


def _told(told: Told) -> list[str]:
    command = [] if told.command is None else [f"    {' '.join(told.command.split())}", ""]
    return [f"**{TOPICS[told.topic]}:** {escape(told.text)}", "", *command]


def _section(section: Section, figures: str, level: int) -> list[str]:
    lines = [f"{'#' * min(level, 6)} {escape(section.title)}", ""]
    if section.sentences:
        lines += [escape(" ".join(section.sentences)), ""]
    for table in section.tables:
        lines += _table(table)
    if section.points:
        lines += [*(f"- {escape(point)}" for point in section.points), ""]
    if section.commands:
        lines += ["Worth trying next:", ""]
    for command in section.commands:
        lines += [escape(command.why), "", f"    {' '.join(command.text.split())}", ""]
    for figure in section.figures:
        lines += _figure(figure, figures)
    for part in section.parts:
        lines += _section(part, figures, level + 1)
    if section.notes:
        lines += ["\n>\n".join(f"> {escape(note)}" for note in section.notes), ""]
    return lines


def _table(table: Table) -> list[str]:
    align = "---" if len(table.columns) == 2 else "---:"
    head = [_row(tuple(map(escape, table.columns))), _row(("---", *[align] * (len(table.columns) - 1)))]
    return [f"{escape(table.title)}:", "", *head, *(_row(tuple(map(escape, row))) for row in table.rows), ""]


def _row(cells: tuple[str, ...]) -> str:
    return f"| {' | '.join(cells)} |"


def _figure(figure: Figure, folder: str) -> list[str]:
    return [f"![{escape(figure.alt)}]({folder}/{figure.name}.png)", "", escape(figure.caption), ""]
