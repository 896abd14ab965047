"""A report as one HTML file that needs nothing else: pictures and style inside, no script, no address."""

from __future__ import annotations

import base64
import re
import struct
from collections.abc import Iterator
from html import escape
from importlib.resources import files
from itertools import starmap

from dlx.report.section import Command, Document, Figure, Section, Table, Told
from dlx.report.words import TOPICS, count

# Nothing may be loaded or run, even if a hostile string came through.
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
# Tables with more columns are set smaller; with more rows they are closed until asked for.
WIDE, LONG = 6, 30
# Tables with at most as many rows are read one below the other on a phone; others are moved aside by hand.
STACKED = 8
# Tables with at most as many rows are not divided between sheets of paper.
SHORT = 15
# Pixels of a picture for one of the page.
DENSITY = 1.5
NUMBER = re.compile(r"[-+–]?\d|–")
INTERVAL = re.compile(r"([-+]?\d[^\[]*) (\[[^\]]*\])")
LONGEST_NUMBER = 50
DEEPEST = 6


def to_html(document: Document) -> str:
    """Write a report; every string from a file is escaped."""
    css = files("dlx.report").joinpath("page.css").read_text(encoding="utf-8")
    body = "\n".join(_section(section, 2, section.key) for section in document.sections)
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
<a class="skip" href="#results">Skip to the results</a>
<header>
<h1>{escape(document.title)}</h1>
{_lead(document)}
<nav aria-label="Sections"><ul>{"".join(map(_link, document.sections))}</ul></nav>
</header>
<main id="results" tabindex="-1">
{body}
</main>
</body>
</html>
"""


def _link(section: Section) -> str:
    return f'<li><a href="#{escape(section.key)}">{escape(section.title)}</a></li>'


def _lead(document: Document) -> str:
    if not document.lead:
        return f'<p class="verdict {escape(document.diagnosis)}">{escape(document.verdict)}</p>'
    first, *others = document.lead
    told = "\n".join(map(_told, others))
    return f'<p class="verdict {escape(document.diagnosis)}">{escape(first.text)}</p>\n<dl class="lead">\n{told}\n</dl>'


def _told(told: Told) -> str:
    command = "" if told.command is None else f"<pre><code>{escape(told.command)}</code></pre>"
    return f"<div><dt>{escape(TOPICS[told.topic])}</dt><dd>{escape(told.text)}{command}</dd></div>"


def _section(section: Section, level: int, anchor: str) -> str:
    lines = "\n".join(_content(section, level, anchor))
    heading, name = f"h{min(level, DEEPEST)}", escape(anchor)
    title = f'<{heading} id="{name}-title">{escape(section.title)}</{heading}>'
    # Of landmarks a page needs few: parts of sections are none.
    tag, label = ("section", f' aria-labelledby="{name}-title"') if level == 2 else ("div", ' class="part"')
    return f'<{tag} id="{name}"{label}>\n{title}\n{lines}\n</{tag}>'


def _content(section: Section, level: int, anchor: str) -> Iterator[str]:
    if section.sentences:
        yield f"<p>{escape(' '.join(section.sentences))}</p>"
    yield from map(_table, section.tables)
    if section.points:
        yield "<ul>" + "".join(f"<li>{escape(point)}</li>" for point in section.points) + "</ul>"
    if section.commands:
        yield '<p class="next">Worth trying next</p>'
    yield from map(_command, section.commands)
    yield from map(_figure, section.figures)
    for place, part in enumerate(section.parts):
        same = sum(other.key == part.key for other in section.parts[:place])
        yield _section(part, level + 1, f"{anchor}-{part.key}" + (f"-{same + 1}" if same else ""))
    if section.notes:
        yield '<ul class="notes">' + "".join(f"<li>{escape(note)}</li>" for note in section.notes) + "</ul>"


def _table(table: Table) -> str:
    if not (table.folded or len(table.rows) > LONG):
        return _open(table)
    # The summary says the title to who sees; the caption goes on saying it to who listens.
    inside = _open(table).replace("<caption>", '<caption class="unseen">', 1)
    return (f"<details><summary>{escape(table.title)} <span>({count(len(table.rows), 'row')})</span></summary>\n"
            f"{inside}\n</details>")


def _open(table: Table) -> str:
    kinds = [_kind([row[index] for row in table.rows]) for index in range(len(table.columns))]
    stacked = 2 < len(table.columns) <= WIDE and len(table.rows) <= STACKED
    head = "".join(f'<th scope="col"{_role("columnheader", stacked)}{kind}>{escape(name)}</th>'
                   for name, kind in zip(table.columns, kinds, strict=True))
    rows = "\n".join(_row(table.columns, row, kinds, stacked) for row in table.rows)
    look = "pairs" if len(table.columns) == 2 else "numbers" if len(table.columns) <= WIDE else "numbers wide"
    # What scrolls must be reached with the keyboard, too.
    reach = "" if stacked or look == "pairs" else f' tabindex="0" role="group" aria-label="{escape(table.title)}"'
    short = " short" if len(table.rows) <= SHORT else ""
    look += " stack" if stacked else ""
    return (f'<div class="scroll{short}"{reach}><table class="{look}"{_role("table", stacked)}>\n'
            f"<caption>{escape(table.title)}</caption>\n"
            f'<thead{_role("rowgroup", stacked)}><tr{_role("row", stacked)}>{head}</tr></thead>\n'
            f'<tbody{_role("rowgroup", stacked)}>\n{rows}\n</tbody>\n</table></div>')


def _role(name: str, stacked: bool) -> str:
    """Return the role of a part of a stacked table: it is laid out as blocks, which some browsers read as no table."""
    return f' role="{name}"' if stacked else ""


def _kind(cells: list[str]) -> str:
    """Return the attribute of a column of words; numbers have none, and are short."""
    numbers = any(map(NUMBER.match, cells)) and max(map(len, cells)) <= LONGEST_NUMBER
    return "" if numbers or not cells else ' class="text"'


def _row(columns: tuple[str, ...], row: tuple[str, ...], kinds: list[str], stacked: bool) -> str:
    cells = "".join(starmap(_cell, zip(columns[1:], row[1:], kinds[1:], [stacked] * len(kinds[1:]), strict=True)))
    head = f'<th scope="row"{_role("rowheader", stacked)}>{escape(row[0])}</th>'
    return f'<tr{_role("row", stacked)}>{head}{cells}</tr>'


def _cell(column: str, cell: str, kind: str, stacked: bool) -> str:
    parts = INTERVAL.fullmatch(cell)
    inside = escape(cell) if parts is None else f'{escape(parts[1])} <span class="interval">{escape(parts[2])}</span>'
    return f'<td{_role("cell", stacked)}{kind} data-label="{escape(column)}">{inside}</td>'


def _command(command: Command) -> str:
    return f'<div class="command"><p>{escape(command.why)}</p><pre><code>{escape(command.text)}</code></pre></div>'


def _figure(figure: Figure) -> str:
    data = base64.b64encode(figure.picture.png).decode()
    width, height = (round(pixels / DENSITY) for pixels in struct.unpack(">II", figure.picture.png[16:24]))
    return (f'<figure><div class="picture"><img src="data:image/png;base64,{data}" width="{width}" height="{height}" '
            f'alt="{escape(figure.alt)}"></div><figcaption>{escape(figure.caption)}</figcaption></figure>')
