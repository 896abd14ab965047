"""Text in a file of the user's, and the cells of its rows where it is a table."""

from __future__ import annotations

import codecs
import csv
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from dlx.core.errors import ConfigError
from dlx.core.wording import listed

UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
SEPARATORS = {"comma": ",", "semicolon": ";", "tab": "\t", "pipe": "|", "space": " "}
# How files of other formats begin, and what to do with them.
OTHERS = {
    b"\x1f\x8b": "is compressed (gzip): unpack it with gunzip",
    b"PK\x03\x04": "is a zip or Excel file: unpack it, or save the sheet as csv",
    b"\xd0\xcf\x11\xe0": "is an Excel file: save the sheet as csv",
    b"BZh": "is compressed (bzip2): unpack it with bunzip2",
    b"\xfd7zXZ": "is compressed (xz): unpack it with unxz",
    b"\x28\xb5\x2f\xfd": "is compressed (zstd): unpack it with unzstd",
    b"PAR1": "is a parquet file: dataset=parquet reads it",
}


class TextRows(NamedTuple):
    """Rows that stand in lines of a file: numbers, from 1, of the line of each."""

    name: str
    numbers: Sequence[int]

    def rows(self, rows: Sequence[int]) -> str:
        """Name lines."""
        return listed("line", [self.numbers[row] for row in rows])


def codec(encoding: str) -> str:
    """Return the name of an encoding of text. Raises ConfigError where it does not exist."""
    try:
        name = codecs.lookup(encoding).name
        "".encode(name)
    except LookupError as error:
        raise ConfigError(f"dataset.encoding={encoding} is no encoding of text; use utf-8, utf-16, latin-1 or "
                          f"cp1252") from error
    return "utf-8" if name == "utf-8-sig" else name


def marked(encoding: str) -> str:
    """Return the encoding in which a mark of UTF-8 before the text is none of it."""
    return "utf-8-sig" if encoding == "utf-8" else encoding


def read_text(path: Path, encoding: str) -> str:
    """Return what a text file says, without the mark that may stand before it, lines ending in a line feed.

    Args:
        encoding: as `codec` names it.

    Raises:
        OSError: it may not be read.
        ConfigError: it is empty, or no text of the encoding; says the line.
    """
    data = path.read_bytes()
    refuse_no_text(path, data, encoding, "text")
    try:
        text = data.decode(marked(encoding))
    except UnicodeError as error:
        raise ConfigError(undecodable(path, data, encoding)) from error
    return text.replace("\r\n", "\n").replace("\r", "\n")


def refuse_no_text(path: Path, head: bytes, encoding: str, wanted: str) -> None:
    """Raise ConfigError where the first bytes of a file are no text in an encoding.

    Args:
        wanted: what it should have.
    """
    if not head.strip():
        raise ConfigError(f"{path} is empty ({path.stat().st_size} bytes); name a file with {wanted}")
    for beginning, what in OTHERS.items():
        if head.startswith(beginning):
            raise ConfigError(f"{path} {what}")
    if encoding == "utf-8" and head.startswith(UTF_16):
        raise ConfigError(f"{path} is UTF-16 text: dataset.encoding=utf-16 reads it; or save it as UTF-8")
    if b"\0" in head and not encoding.startswith(("utf-16", "utf-32")):
        raise ConfigError(f"{path} is no text: byte {head.index(0)} is 0; name a text file, or save it as UTF-8 text")


def undecodable(path: Path, data: bytes, encoding: str) -> str:
    """Say where bytes are no text in an encoding."""
    line, byte = 1, ""
    try:
        data.decode(encoding)
    except UnicodeDecodeError as error:
        line, byte = data[: error.start].count(b"\n") + 1, f" (byte 0x{data[error.start]:02x})"
    advice = "dataset.encoding=latin-1 or cp1252 reads most others" if encoding == "utf-8" else "name its encoding"
    return f"{path}, line {line} is not {encoding} text{byte}; {advice}, or save the file as UTF-8"


def refuse_empty(texts: Sequence[str], where: str, place: TextRows) -> None:
    """Raise ConfigError where a document has no text."""
    empty = [row for row, text in enumerate(texts) if not text.strip()]
    if empty:
        raise ConfigError(f"{where} has no text in {place.rows(empty)}; write it, or take the "
                          f"{'rows' if len(empty) > 1 else 'row'} out: nothing can be learnt from nothing")


def records(lines: Iterable[str], path: Path, advice: str, **form: Any) -> Iterator[tuple[int, list[str]]]:
    """Yield the line on which each record starts, and its cells; blank lines are none, and a cell may hold lines.

    Args:
        advice: where they cannot be read, for messages.
        form: of csv.reader.
    """
    reader = csv.reader(lines, **form)
    line = 1
    try:
        for cells in reader:
            if cells:
                yield line, cells
            line = reader.line_num + 1
    except csv.Error as error:
        raise ConfigError(f"{path}, line {line} cannot be read: {error}; {advice}") from error


def uneven(path: Path, line: int, cells: int, width: int) -> str:
    """Say that a row has not as many cells as the table has columns."""
    return (f"{path}, line {line} has {cells} cells, the table has {width} columns; quote cells that hold the "
            f"separator, or mend the line")
