"""Texts of the user's in a column of a table."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from dlx.core.errors import ConfigError
from dlx.core.own_data.frame import note, unknown_columns
from dlx.core.own_data.own_file import OwnFile, found
from dlx.core.own_data.target import Task, read_target
from dlx.core.own_data.text_file import SEPARATORS, TextRows, codec, read_text, records, refuse_empty, uneven
from dlx.core.ragged import Ragged
from dlx.core.types import Arrays, TaskSpec
from dlx.core.wording import near

if TYPE_CHECKING:
    import pandas as pd


class TextCSV(OwnFile):
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
        super().__init__(path)
        self.text = text
        self.target = target
        self.task: Task = task
        self.notes = notes
        self.separator = separator
        self.encoding = codec(encoding)

    def more(self, path: str, data_dir: str, spec: TaskSpec) -> tuple[Ragged, np.ndarray]:
        """Read the texts of another table, without need of a target.

        Returns:
            texts, and ids [N], the rows.

        Raises:
            StorageError, ConfigError: see `load`.
        """
        with found(path, data_dir) as where:
            content = read_text(where, self.encoding)
        (_, names), *rows = self._rows(content, where)
        if self.text not in names:
            raise ConfigError(f"{where} has no column {self.text}, the run's column of texts"
                              f"{near(self.text, names) or '; there are ' + ', '.join(names[:30])}")
        texts = self._texts(names, rows, TextRows(str(where), [line for line, _ in rows]))
        return Ragged.of_texts(texts), np.arange(len(texts))

    def _texts(self, names: list[str], rows: list[tuple[int, list[str]]], place: TextRows) -> list[str]:
        texts = [cells[names.index(self.text)] for _, cells in rows]
        refuse_empty(texts, f"{place.name}: column {self.text}", place)
        return texts

    def arrays(self, path: Path, data_dir: str) -> Arrays:
        """Return texts, targets [N], notes, and the spec that the target makes."""
        content, sign = read_text(path, self.encoding), SEPARATORS[self.separator]
        (_, names), *rows = self._rows(content, path)
        place = TextRows(str(path), [line for line, _ in rows])
        self._check_columns(names, place)
        texts = self._texts(names, rows, place)
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
        rows = list(records(io.StringIO(content), path, "close every quotation mark, and double those inside of a cell",
                            delimiter=SEPARATORS[self.separator], strict=True))
        width = len(rows[0][1])
        for line, cells in rows:
            if len(cells) != width:
                raise ConfigError(uneven(path, line, len(cells), width))
        if len(rows) == 1:
            raise ConfigError(f"{path} has column names and no rows")
        return rows

    def _check_columns(self, names: list[str], place: TextRows) -> None:
        wanted = {"dataset.text": [self.text], "dataset.notes": self.notes,
                  "dataset.target": [] if self.target is None else [self.target]}
        problems = unknown_columns(wanted, names, place)
        if self.target == self.text:
            problems.append(f"dataset.target names {self.text}, which is the text; to tell its next token, "
                            f"dataset.target=null")
        if problems:
            raise ConfigError(*problems)


def _frame(content: str, sign: str, names: list[str]) -> pd.DataFrame:
    import pandas as pd

    frame: pd.DataFrame = pd.read_csv(io.StringIO(content), sep=sign, usecols=names, index_col=False)
    return frame
