"""Text in a file of the user's."""

from __future__ import annotations

import codecs
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from dlx.core.errors import ConfigError, StorageError
from dlx.core.own_file import listed

UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
SEPARATORS = {"comma": ",", "semicolon": ";", "tab": "\t", "pipe": "|", "space": " "}


class TextRows(NamedTuple):
    """Rows that stand in lines of a file: numbers, from 1, of the line of each."""

    name: str
    numbers: Sequence[int]

    def rows(self, rows: Sequence[int]) -> str:
        """Name lines."""
        return listed("line", [self.numbers[row] for row in rows])


def check_encoding(encoding: str) -> None:
    """Raise ConfigError where an encoding does not exist."""
    try:
        "".encode(encoding)
    except LookupError as error:
        raise ConfigError(f"dataset.encoding={encoding} is no encoding of text; use utf-8, utf-16, latin-1 or "
                          f"cp1252") from error


def read_text(path: Path, encoding: str) -> str:
    """Return what a text file says, without the mark that may stand before it, lines ending in a line feed.

    Raises:
        StorageError: it may not be read.
        ConfigError: it is empty, or no text of the encoding; says the line.
    """
    if path.is_dir():
        raise ConfigError(f"{path} is a folder; name a file in it")
    try:
        data = path.read_bytes()
    except OSError as error:
        raise StorageError(f"{path} cannot be read: {error.strerror or error}") from error
    if not data.strip():
        raise ConfigError(f"{path} is empty ({len(data)} bytes); name a file with text")
    is_utf_8 = codecs.lookup(encoding).name in ("utf-8", "utf-8-sig")
    if is_utf_8 and data.startswith(UTF_16):
        raise ConfigError(f"{path} is UTF-16 text: dataset.encoding=utf-16 reads it; or save it as UTF-8")
    if is_utf_8 and b"\0" in data:
        raise ConfigError(f"{path} is no text: byte {data.index(0)} is 0; name a text file, or save it as UTF-8 text")
    try:
        text = data.decode("utf-8-sig" if is_utf_8 else encoding)
    except UnicodeError as error:
        raise ConfigError(_undecodable(path, data, encoding, error)) from error
    return text.replace("\r\n", "\n").replace("\r", "\n")


def refuse_empty(texts: Sequence[str], where: str, place: TextRows) -> None:
    """Raise ConfigError where a document has no text."""
    empty = [row for row, text in enumerate(texts) if not text.strip()]
    if empty:
        raise ConfigError(f"{where} has no text in {place.rows(empty)}; write it, or take the "
                          f"{'rows' if len(empty) > 1 else 'row'} out: nothing can be learnt from nothing")


def _undecodable(path: Path, data: bytes, encoding: str, error: UnicodeError) -> str:
    start = getattr(error, "start", 0)
    line, byte = data[:start].count(b"\n") + 1, f" (byte 0x{data[start]:02x})"
    advice = "dataset.encoding=latin-1 or cp1252 reads most others" if encoding == "utf-8" else "name its encoding"
    return f"{path}, line {line} is not {encoding} text{byte}; {advice}, or save the file as UTF-8"
