"""What a report is made of. Sections say it, renderers print it; neither knows the other.

A new section is a new file `dlx/report/sections/<name>.py` with `section(run: RunFiles) -> Section | None`, and its
name at its place in `dlx.report.render.SECTIONS`. None means that the run has nothing to say about it. What has to be
measured for it is `dlx/report/<name>.py`, see `dlx.core.subject.Section`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol


@dataclass(frozen=True)
class Table:
    """Cells that are already formatted; the first column names the row.

    A page shows a folded table closed until it is asked for, and a long one too; on paper both are whole.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    folded: bool = False


class Picture(Protocol):
    """What was drawn, as files hold it; a form is made when it is asked for, see `dlx.report.draw.png`."""

    @property
    def png(self) -> bytes:
        """The pixels."""

    @property
    def pdf(self) -> bytes:
        """The lines, for paper: sharp at every size."""


@dataclass(frozen=True)
class Figure:
    """A picture with its words.

    Args:
        name: file name without suffix, unique in the report.
        picture: what was drawn.
        alt: the finding in words, for who cannot see it.
        caption: how to read it.
    """

    name: str
    picture: Picture
    alt: str
    caption: str


@dataclass(frozen=True)
class Command:
    """A command worth trying next, ready to be copied, and why."""

    text: str
    why: str


@dataclass(frozen=True)
class Section:
    """One part of the report.

    Args:
        key: the section's name in report.json and its anchor in the page.
        title: heading.
        sentences: a paragraph.
        points: evidence or remarks, one bullet each.
        notes: how it was made and what it cannot say, small and last.
        values: the raw numbers, plain data, for report.json.
        parts: sections inside of this one.
    """

    key: str
    title: str
    sentences: tuple[str, ...] = ()
    points: tuple[str, ...] = ()
    tables: tuple[Table, ...] = ()
    figures: tuple[Figure, ...] = ()
    commands: tuple[Command, ...] = ()
    notes: tuple[str, ...] = ()
    values: Mapping[str, Any] = field(default_factory=dict)
    parts: tuple[Section, ...] = ()


class Told(NamedTuple):
    """A sentence of the first screen.

    topic: result, certainty, cause, trust or next; command: that does what the sentence says, if there is one.
    """

    topic: str
    text: str
    command: str | None = None


@dataclass(frozen=True)
class Document:
    """A whole report.

    Args:
        title: what the run is called.
        verdict: how it went, in one sentence.
        diagnosis: the same in one word.
        sections: in reading order.
        lead: the first screen, a sentence for each question; without it the verdict is all of it.
    """

    title: str
    verdict: str
    diagnosis: str
    sections: tuple[Section, ...]
    lead: tuple[Told, ...] = ()

    def figures(self) -> tuple[Figure, ...]:
        """List the pictures of all sections."""
        return tuple(figure for section in self.sections for figure in _figures(section))


def _figures(section: Section) -> tuple[Figure, ...]:
    return section.figures + tuple(figure for part in section.parts for figure in _figures(part))
