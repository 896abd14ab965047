"""The language reference of Python, which ships inside CPython."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from typing import Annotated, ClassVar, NamedTuple

import numpy as np

from dlx.core.ragged import Ragged
from dlx.core.ranges import Range
from dlx.core.types import Arrays, TaskSpec

# By chapter of the manual, the topics of `pydoc_data.topics` that come from it. Topics of other versions of Python that
# are not here are left out.
CHAPTERS = {
    "lexical analysis": "floating id-classes identifiers imaginary integers numbers strings",
    "data model": """attribute-access callable-types context-managers customization numeric-types objects sequence-types
        specialnames types""",
    "execution model": "dynamic-features exceptions execmodel naming",
    "expressions": """atom-identifiers atom-literals attribute-references await binary bitwise booleans calls
        comparisons conversions dict exprlists in lambda lists operator-summary power shifting slicings subscriptions
        unary""",
    "statements": """assert assignment async augassign break class compound continue del else for function global if
        import nonlocal pass raise return try while with yield""",
    "built-in types": """bltin-code-objects bltin-ellipsis-object bltin-null-object bltin-type-objects formatstrings
        specialattrs string-methods truth typesfunctions typesmapping typesmethods typesmodules typesseq
        typesseq-mutable""",
    "debugger": "debugger",
}
NAMES = tuple(CHAPTERS)


class Passage(NamedTuple):
    """A piece of the manual, the topic that it is from, and the chapter of that as a class."""

    text: str
    topic: str
    chapter: int


class PythonDocs:
    """Passages of the language reference, as `help()` shows it: which chapter is each from?

    Source: `pydoc_data.topics` of the Python that runs dlx; its text differs a little from version to version. Topics
    repeat each other ("compound" holds "for", "if", "try" …): a paragraph is taken once, from the first of the chapters
    as the manual has them, so that val and test do not hold what train shows. The topic of each passage is kept in the
    notes, to split by.

    Args:
        characters: of a passage, at least, in [40, 100000]: paragraphs of a topic are joined up to this.
    """

    OPTION: ClassVar[str] = "python_docs"

    def __init__(self, characters: Annotated[int, Range("[40, 100000]")]) -> None:
        self.characters = characters

    def spec(self) -> TaskSpec:
        """Describe texts of seven classes."""
        return TaskSpec("classification", "text", (), len(NAMES), NAMES)

    def load(self, data_dir: str) -> Arrays:
        """Return texts, targets [N] and the topic of each; nothing is read from data_dir."""
        found = list(passages(self.characters))
        notes = {"topic": np.array([passage.topic for passage in found]),
                 "python": np.full(len(found), "{}.{}.{}".format(*sys.version_info))}
        return Arrays(Ragged.of_texts([passage.text for passage in found]),
                      np.array([passage.chapter for passage in found], np.int64), notes=notes)


class PythonDocsLM(PythonDocs):
    """The same passages for a language model: what token comes next?

    Args:
        characters: see `PythonDocs`.
    """

    OPTION: ClassVar[str] = "python_docs_lm"

    def spec(self) -> TaskSpec:
        """Describe texts whose targets are their own tokens."""
        return TaskSpec("sequence", "text", (), 0, next_token=True)

    def load(self, data_dir: str) -> Arrays:
        """Return texts and their topics; the targets are zeros [N]."""
        arrays = super().load(data_dir)
        return arrays._replace(targets=np.zeros_like(arrays.targets))


def passages(characters: int) -> Iterator[Passage]:
    """Yield paragraphs that no topic before has, those of a topic joined until they have so many characters."""
    from pydoc_data.topics import topics

    seen: set[str] = set()
    for chapter, names in enumerate(CHAPTERS.values()):
        for topic in names.split():
            fresh = []
            for paragraph in re.split(r"\n\s*\n", topics.get(topic, "")):
                plain = " ".join(paragraph.split())
                if plain and plain not in seen:
                    seen.add(plain)
                    fresh.append(paragraph)
            yield from (Passage(text, topic, chapter) for text in joined(fresh, characters))


def joined(paragraphs: list[str], characters: int) -> Iterator[str]:
    """Yield paragraphs one after the other, several as one until they have so many characters."""
    open_: list[str] = []
    for paragraph in paragraphs:
        open_.append(paragraph)
        if sum(map(len, open_)) >= characters:
            yield "\n\n".join(open_)
            open_ = []
    if open_:
        yield "\n\n".join(open_)

