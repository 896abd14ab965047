"""A table of the user's as text: comma-separated values and their kin."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple

from dlx.core.errors import ConfigError
from dlx.core.own_data.frame import Role, Table, TableFile, Wishes, names_of
from dlx.core.own_data.target import Task
from dlx.core.own_data.text_file import SEPARATORS, codec, marked, records, refuse_no_text, undecodable, uneven
from dlx.core.ranges import Range
from dlx.core.wording import SHOWN, listed

if TYPE_CHECKING:
    import pandas as pd

DECIMALS = {"point": ".", "comma": ","}
HEAD_BYTES = 2**16


class Form(NamedTuple):
    """How a table is written."""

    separator: str
    decimal: str
    encoding: str
    header: bool
    missing: tuple[str, ...]


class CSV(TableFile):
    """A table in a text file: a line of column names, then a row per line.

    Numbers are read as numbers; text, true and false as categories, spaces around them left out. Cells that pandas
    takes for missing (empty, NA, NaN, null …) are missing values. Dates, names of rows and mixtures of numbers and text
    are refused until it is said what to do with them.

    Args:
        path: of the file: absolute, or under the current folder or data_dir.
        target: the column to predict; its number, from 0, where header is false. Several columns of 0 and 1 are labels:
            a row may have any of them.
        task: classification, regression, or auto: text, true and false are classes, and whole numbers where at most 20
            different ones stand for 2 rows or more each on average; all else is a regression.
        types: by name of a column what it is, where its values would tell otherwise: number, category, ignore, or note.
        notes: columns to keep beside the inputs, to split by (group, date). They are no inputs, unless types says what
            they are as inputs.
        separator: between columns.
        decimal: the decimal point of numbers.
        encoding: of the text: utf-8, utf-16, latin-1, cp1252 …
        header: whether the first line holds the names of columns; else they are called 0, 1, 2 …
        missing: texts that stand for a missing value, beside those that pandas knows.

    Raises:
        ConfigError: an encoding that does not exist.
    """

    def __init__(self, path: str, target: str | Annotated[int, Range("[0, inf)")] | list[str], task: Task,
                 types: dict[str, Role] | None, notes: list[str],
                 separator: Literal["comma", "semicolon", "tab", "pipe"], decimal: Literal["point", "comma"],
                 encoding: str, header: bool, missing: list[str]) -> None:
        super().__init__(path, Wishes(names_of(target), task, types or {}, tuple(notes)))
        if separator == decimal == "comma":
            raise ConfigError("dataset.separator and dataset.decimal cannot both be comma")
        self.form = Form(SEPARATORS[separator], DECIMALS[decimal], codec(encoding), header, tuple(missing))

    def read(self, path: Path) -> Table:
        """Read a file."""
        try:
            with open(path, "rb") as file:
                refuse_no_text(path, file.read(HEAD_BYTES), self.form.encoding, "rows")
            names = column_names(path, self.form)
            lines = Lines(path, self.form)
            frame = _read(path, self.form, names, [name for name, said in self.wishes.types.items()
                                                   if said == "category" and name not in self.wishes.targets])
            refuse_short(frame, lines)
            return Table(frame, lines)
        except UnicodeError as error:
            raise ConfigError(undecodable(path, path.read_bytes(), self.form.encoding)) from error


class Lines(NamedTuple):
    """The lines of a text file, by the rows they hold."""

    path: Path
    form: Form

    @property
    def name(self) -> str:
        """The path."""
        return str(self.path)

    def rows(self, rows: Sequence[int]) -> str:
        """Name lines, from 1 for the first."""
        shown, found = {row + self.form.header for row in rows[:SHOWN]}, []
        for position, (line, _) in enumerate(rows_of(self.path, self.form)):
            if position in shown:
                found.append(line)
                if len(found) == len(shown):
                    break
        return listed("line", found + [0] * (len(rows) - len(found)))


def rows_of(path: Path, form: Form) -> Iterator[tuple[int, list[str]]]:
    """Yield the line on which each row starts, and its cells."""
    with open(path, encoding=marked(form.encoding), newline="") as file:
        yield from records(file, path, "is it a text file?", delimiter=form.separator, skipinitialspace=True)


def column_names(path: Path, form: Form) -> list[str]:
    """Return the names of columns, as wide as the first row.

    Raises:
        ConfigError: names that are missing or not distinct, no rows, one column, or a first row of another width.
    """
    first = list(islice(rows_of(path, form), 2))
    width = len(first[0][1])
    if width == 1:
        raise ConfigError(_one_column(path, form, first[0][1][0]))
    if len(first) == 1 and form.header:
        raise ConfigError(f"{path} has column names and no rows")
    if len(first) == 2 and len(first[1][1]) != width:
        raise ConfigError(uneven(path, first[1][0], len(first[1][1]), width))
    if not form.header:
        return [str(number) for number in range(width)]
    names = [name.strip() for name in first[0][1]]
    empty = [number + 1 for number, name in enumerate(names) if not name]
    if empty:
        raise ConfigError(f"{path}: {listed('column', empty)} of {width} has no name in line {first[0][0]}; name it "
                          f"there (row numbers that pandas wrote are left out by to_csv(index=False))")
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        places = listed("column", [number + 1 for number, name in enumerate(names) if name == twice[0]])
        raise ConfigError(f"{path}: {places} are all called {twice[0]} in line {first[0][0]}; give each a name of its "
                          f"own")
    return names


def _one_column(path: Path, form: Form, text: str) -> str:
    shown = next(name for name, character in SEPARATORS.items() if character == form.separator)
    likely = [name for name, character in SEPARATORS.items() if character in text]
    advice = f"try dataset.separator={' or '.join(likely)}" if likely else "a target and an input are needed"
    return f"{path} has one column where dataset.separator is {shown}: {text[:60]!r}; {advice}"


def _read(path: Path, form: Form, names: list[str], texts: list[str]) -> pd.DataFrame:
    import pandas as pd

    options: dict[str, Any] = {
        "sep": form.separator, "decimal": form.decimal, "encoding": form.encoding, "names": names,
        "header": 0 if form.header else None, "index_col": False, "skipinitialspace": True, "compression": None,
        "na_values": list(form.missing) or None, "dtype": dict.fromkeys(texts, str) or None}
    # Where pandas reads in pieces, a column that is of numbers in one and of text in another comes mixed: then at once.
    for in_pieces in (True, False):
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.DtypeWarning)
            try:
                frame: pd.DataFrame = pd.read_csv(path, **options, low_memory=in_pieces)
                return frame
            except pd.errors.DtypeWarning:
                continue
            except pd.errors.ParserError as error:
                raise ConfigError(_unparsed(path, form, str(error), len(names))) from error
    raise AssertionError("what is read at once has one type")


def _unparsed(path: Path, form: Form, said: str, width: int) -> str:
    if "EOF inside string" in said:
        start = max((line for line, _ in rows_of(path, form)), default=1)
        return (f"{path}: a quotation mark in the row that begins in line {start} is never closed; close it, or "
                f"double it")
    for line, cells in rows_of(path, form):
        if len(cells) > width:
            return uneven(path, line, len(cells), width)
    return f"{path} cannot be read as a table: {said.strip()}"


def refuse_short(frame: pd.DataFrame, lines: Lines) -> None:
    """Raise ConfigError where a row has fewer cells than there are columns, which pandas takes for missing values."""
    if not frame.iloc[:, -1].isna().any():
        return
    for line, cells in rows_of(lines.path, lines.form):
        if len(cells) < frame.shape[1]:
            raise ConfigError(uneven(lines.path, line, len(cells), frame.shape[1]))
