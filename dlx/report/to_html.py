"""A report as one HTML file that needs nothing else: pictures and style inside, no script, no address."""

from __future__ import annotations

import base64
import re
from html import escape
from importlib.resources import files
from itertools import starmap

from dlx.report.section import Command, Document, Figure, Section, Table

# Nothing may be loaded or run, even if a hostile string came through.
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
# Tables with more columns are set smaller.
WIDE = 6
NUMBER = re.compile(r"[-+–]?\d|–")


def to_html(document: Document) -> str:
    """Write a report; every string from a file is escaped."""
    css = files("dlx.report").joinpath("page.css").read_text(encoding="utf-8")
    body = "\n".join(_section(section, 2) for section in document.sections)
    links = " ".join(f'<a href="#{escape(section.key)}">{escape(section.title)}</a>' for section in document.sections)
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="{POLICY}">
<title>{escape(document.title)} – dlx report</title>
<style>
{css}</style>
</head>
<body>
<header>
<h1>{escape(document.title)}</h1>
<p class="verdict {escape(document.diagnosis)}">{escape(document.verdict)}</p>
<nav aria-label="Sections">{links}</nav>
</header>
<main>
{body}
</main>
</body>
</html>
"""


def _section(section: Section, level: int) -> str:
    parts = [f"<h{level}>{escape(section.title)}</h{level}>"]
    if section.sentences:
        parts.append(f"<p>{escape(' '.join(section.sentences))}</p>")
    parts += map(_table, section.tables)
    if section.points:
        parts.append("<ul>" + "".join(f"<li>{escape(point)}</li>" for point in section.points) + "</ul>")
    if section.commands:
        parts.append('<p class="next">Worth trying next</p>')
    parts += map(_command, section.commands)
    parts += map(_figure, section.figures)
    parts += [_section(part, level + 1) for part in section.parts]
    if section.notes:
        parts.append('<ul class="notes">' + "".join(f"<li>{escape(note)}</li>" for note in section.notes) + "</ul>")
    return f'<section id="{escape(section.key)}">\n' + "\n".join(parts) + "\n</section>"


def _table(table: Table) -> str:
    kinds = [_kind([row[index] for row in table.rows]) for index in range(len(table.columns))]
    head = "".join(f'<th scope="col"{kind}>{escape(name)}</th>'
                   for name, kind in zip(table.columns, kinds, strict=True))
    rows = "\n".join(_row(table.columns, row, kinds) for row in table.rows)
    kind = "pairs" if len(table.columns) == 2 else "numbers" if len(table.columns) <= WIDE else "numbers wide"
    return (f'<div class="scroll"><table class="{kind}">\n<caption>{escape(table.title)}</caption>\n'
            f"<thead><tr>{head}</tr></thead>\n<tbody>\n{rows}\n</tbody>\n</table></div>")


def _kind(cells: list[str]) -> str:
    """Return the attribute of a column of words; numbers have none."""
    return ' class="text"' if cells and not any(NUMBER.match(cell) for cell in cells) else ""


def _row(columns: tuple[str, ...], row: tuple[str, ...], kinds: list[str]) -> str:
    cells = "".join(starmap(_cell, zip(columns[1:], row[1:], kinds[1:], strict=True)))
    return f'<tr><th scope="row">{escape(row[0])}</th>{cells}</tr>'


def _cell(column: str, cell: str, kind: str) -> str:
    value, bracket, interval = cell.partition(" [")
    inside = f'{escape(value)} <span class="interval">[{escape(interval)}</span>' if bracket else escape(cell)
    return f'<td{kind} data-label="{escape(column)}">{inside}</td>'


def _command(command: Command) -> str:
    return (f'<div class="command"><p>{escape(command.why)}</p>'
            f'<pre tabindex="0"><code>{escape(command.text)}</code></pre></div>')


def _figure(figure: Figure) -> str:
    data = base64.b64encode(figure.png).decode()
    return (f'<figure><div class="picture"><img src="data:image/png;base64,{data}" alt="{escape(figure.alt)}"></div>'
            f"<figcaption>{escape(figure.caption)}</figcaption></figure>")
