"""A text file of the user's, a document in each line or one text from beginning to end."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Annotated, Literal

import numpy as np

from dlx.core.errors import ConfigError
from dlx.core.own_data.column import is_number
from dlx.core.own_data.own_file import OwnFile, found
from dlx.core.own_data.target import Target, read_target
from dlx.core.own_data.text_file import SEPARATORS, TextRows, codec, read_text, refuse_empty
from dlx.core.ragged import Ragged
from dlx.core.ranges import Range
from dlx.core.types import Arrays, TaskSpec

log = logging.getLogger("dlx")


class TextLines(OwnFile):
    """Documents with labels, one in each line: "good<tab>I liked it"; or a text of which to tell the next token.

    Blank lines are none. For the next token the whole file is one text, cut at white space into pieces.

    Args:
        path: of the file: absolute, or under the current folder or data_dir.
        task: classification, regression, or next_token, which needs no labels.
        label: whether the label stands before the first separator of a line or after the last one.
        separator: between label and text.
        characters: of a piece for the next token, at most, in [16, 1000000].
        encoding: of the text: utf-8, utf-16, latin-1, cp1252 …

    Raises:
        ConfigError: an encoding that does not exist.
    """

    def __init__(self, path: str, task: Literal["classification", "regression", "next_token"],
                 label: Literal["before", "after"], separator: Literal["tab", "comma", "semicolon", "pipe", "space"],
                 characters: Annotated[int, Range("[16, 1000000]")], encoding: str) -> None:
        super().__init__(path)
        self.task: Literal["classification", "regression", "next_token"] = task
        self.label = label
        self.separator = separator
        self.characters = characters
        self.encoding = codec(encoding)

    def more(self, path: str, data_dir: str, spec: TaskSpec) -> tuple[Ragged, np.ndarray]:
        """Read texts, one in each line. Where every line begins (or ends) with a label, labels are left out.

        Returns:
            texts, and ids [N], the rows without blank lines.

        Raises:
            StorageError, ConfigError: see `load`.
        """
        with found(path, data_dir) as where:
            lines, place = _lines(where, read_text(where, self.encoding))
        if all(self._has_label(line, spec) for line in lines):
            log.warning("%s has labels before or after every text; they are left out", where)
            lines = self._divided(lines, place)[1]
        return Ragged.of_texts([line.strip() for line in lines]), np.arange(len(lines))

    def _has_label(self, line: str, spec: TaskSpec) -> bool:
        parts = line.partition(SEPARATORS[self.separator]) if self.label == "before" else line.rpartition(
            SEPARATORS[self.separator])[::-1]
        label = parts[0].strip()
        return bool(parts[1]) and (label in spec.class_names if spec.class_names else is_number(label))

    def arrays(self, path: Path, data_dir: str) -> Arrays:
        """Return texts, targets [N], the spec that the labels make, and the line of each text."""
        text = read_text(path, self.encoding)
        if self.task == "next_token":
            found = pieces(text, self.characters)
            spec = TaskSpec("sequence", "text", (), 0, next_token=True)
            return Arrays(Ragged.of_texts(found), np.zeros(len(found), np.int64), spec=spec)
        lines, place = _lines(path, text)
        labels, texts = self._divided(lines, place)
        target = _target(labels, self.task, place)
        spec = TaskSpec(target.kind, "text", (), target.num_outputs, target.class_names)
        return Arrays(Ragged.of_texts(texts), target.values, notes={"line": np.array(place.numbers)}, spec=spec)

    def _divided(self, lines: list[str], place: TextRows) -> tuple[list[str], list[str]]:
        sign = SEPARATORS[self.separator]
        whole = [row for row, line in enumerate(lines) if sign not in line]
        if whole:
            raise ConfigError(f"{place.name} has no {self.separator} between label and text in {place.rows(whole)}; "
                              f"say which sign it is: dataset.separator; or, without labels, dataset.task=next_token")
        before, _, after = zip(*(line.partition(sign) if self.label == "before" else line.rpartition(sign)
                                 for line in lines), strict=True)
        labels, texts = (before, after) if self.label == "before" else (after, before)
        refuse_empty(texts, place.name, place)
        return [label.strip() for label in labels], [text.strip() for text in texts]


def _lines(path: Path, text: str) -> tuple[list[str], TextRows]:
    lines = {number: line for number, line in enumerate(text.split("\n"), start=1) if line.strip()}
    return list(lines.values()), TextRows(str(path), list(lines))


def _target(labels: list[str], task: Literal["classification", "regression"], place: TextRows) -> Target:
    import pandas as pd

    values = pd.Series(labels, dtype=object)
    return read_target(values.where(values != "", None), "label", task, place)


def pieces(text: str, characters: int) -> list[str]:
    """Cut a text into pieces of so many characters at most, at white space where there is some.

    A single character at the end, after which nothing comes, is left out.
    """
    found, start = [], 0
    while start < len(text):
        if text[start].isspace():
            start += 1
            continue
        end = start + characters
        if end < len(text):
            space = max(text.rfind(sign, start, end + 1) for sign in " \n\t")
            end = space if space > start + 1 else end
        found.append(text[start:end].rstrip())
        start = end
    return [piece for piece in found if len(piece) > 1]
