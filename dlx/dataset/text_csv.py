"""Texts of the user's in a column of a table."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from dlx.core.errors import ConfigError
from dlx.core.frame import note
from dlx.core.own_file import Kept, find, near
from dlx.core.ragged import Ragged
from dlx.core.target import Task, read_target
from dlx.core.text_file import SEPARATORS, TextRows, check_encoding, read_text, refuse_empty
from dlx.core.types import Arrays, TaskSpec

if TYPE_CHECKING:
    import pandas as pd


class TextCSV:
    """A table in a text file, of which one column holds texts and another what is to be told of them.

    Args:
        path: of the file: absolute, or under the current folder or data_dir.
        text: the column of the texts.
        target: the column to predict; null to tell the next token of each text.
        task: classification, regression, or auto: text is classes, and whole numbers where at most 20 different ones
            stand for 2 rows or more each on average; all else is a regression.
        notes: columns to keep beside the texts, to split by (group, date).
        separator: between columns.
        encoding: of the text: utf-8, utf-16, latin-1, cp1252 …

    Raises:
        ConfigError: an encoding that does not exist.
    """

    def __init__(self, path: str, text: str, target: str | None, task: Task, notes: list[str],
                 separator: Literal["comma", "semicolon", "tab", "pipe"], encoding: str) -> None:
        check_encoding(encoding)
        self.path = path
        self.text = text
        self.target = target
        self.task: Task = task
        self.notes = notes
        self.separator = separator
        self.encoding = encoding
        self._kept = Kept()

    def spec(self) -> TaskSpec | None:
        """Say nothing: classes are in the file."""
        return None

    def load(self, data_dir: str) -> Arrays:
        """Return texts, targets [N], notes, and the spec that the target makes.

        Args:
            data_dir: a folder in which a path that is not absolute is looked for, after the current one.

        Raises:
            StorageError: there is no such file, or it may not be read.
            ConfigError: it is no such table, or cannot be learnt from; says line or column.
        """
        path = find(self.path, data_dir)
        return self._kept.arrays([path], lambda: self._arrays(path))

    def more(self, path: str, data_dir: str, spec: TaskSpec) -> tuple[Ragged, np.ndarray]:
        """Read the texts of another table, without need of a target.

        Returns:
            texts, and ids [N], the rows.

        Raises:
            StorageError, ConfigError: see `load`.
        """
        where = find(path, data_dir, "")
        content = read_text(where, self.encoding)
        (_, names), *rows = self._rows(content, where)
        if self.text not in names:
            raise ConfigError(f"{where} has no column {self.text}, the run's column of texts"
                              f"{near(self.text, names) or '; there are ' + ', '.join(names[:30])}")
        texts, _ = self._texts(names, rows, where)
        return Ragged.of_texts(texts), np.arange(len(texts))

    def _texts(self, names: list[str], rows: list[tuple[int, list[str]]], path: Path) -> tuple[list[str], TextRows]:
        place = TextRows(str(path), [line for line, _ in rows])
        texts = [cells[names.index(self.text)] for _, cells in rows]
        refuse_empty(texts, f"{path}: column {self.text}", place)
        return texts, place

    def _arrays(self, path: Path) -> Arrays:
        content, sign = read_text(path, self.encoding), SEPARATORS[self.separator]
        (_, names), *rows = self._rows(content, path)
        self._check_columns(names, path)
        texts, place = self._texts(names, rows, path)
        wanted = [*self.notes, *([] if self.target is None else [self.target])]
        frame = _frame(content, sign, wanted)
        notes = {name: note(frame[name]) for name in self.notes}
        if self.target is None:
            spec = TaskSpec("sequence", "text", (), 0, next_token=True)
            return Arrays(Ragged.of_texts(texts), np.zeros(len(texts), np.int64), notes=notes, spec=spec)
        target = read_target(frame[self.target], self.target, self.task, place)
        spec = TaskSpec(target.kind, "text", (), target.num_outputs, target.class_names)
        return Arrays(Ragged.of_texts(texts), target.values, notes=notes, spec=spec)

    def _rows(self, content: str, path: Path) -> list[tuple[int, list[str]]]:
        """Return the line on which each record starts, and its cells, names of columns first."""
        rows = list(records(content, SEPARATORS[self.separator], path))
        width = len(rows[0][1])
        for line, cells in rows:
            if len(cells) != width:
                raise ConfigError(f"{path}, line {line} has {len(cells)} cells, the table has {width} columns; quote "
                                  f"cells that hold the separator, or mend the line")
        if len(rows) == 1:
            raise ConfigError(f"{path} has column names and no rows")
        return rows

    def _check_columns(self, names: list[str], path: Path) -> None:
        wanted = {"dataset.text": [self.text], "dataset.notes": self.notes,
                  "dataset.target": [] if self.target is None else [self.target]}
        problems = [f"{key} names {column}, and {path} has no such column"
                    f"{near(column, names) or '; there are ' + ', '.join(names[:30])}"
                    for key, given in wanted.items() for column in given if column not in names]
        if self.target == self.text:
            problems.append(f"dataset.target names {self.text}, which is the text; to tell its next token, "
                            f"dataset.target=null")
        if problems:
            raise ConfigError(*problems)


def _frame(content: str, sign: str, names: list[str]) -> pd.DataFrame:
    import pandas as pd

    frame: pd.DataFrame = pd.read_csv(io.StringIO(content), sep=sign, usecols=names, index_col=False)
    return frame


def records(content: str, sign: str, path: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield the line on which each record starts, and its cells; blank lines are none, and a cell may hold lines."""
    reader = csv.reader(io.StringIO(content), delimiter=sign, strict=True)
    line = 1
    try:
        for cells in reader:
            if cells:
                yield line, cells
            line = reader.line_num + 1
    except csv.Error as error:
        raise ConfigError(f"{path}, line {line} cannot be read: {error}; close every quotation mark, and double those "
                          f"inside of a cell") from error
