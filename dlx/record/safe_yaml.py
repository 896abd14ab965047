"""Reading text that anyone may have written: bounded, without aliases, tags, interpolation or paths.

Nothing read here is ever handed to Hydra or OmegaConf, so no resolver runs and no target is imported.
"""

from __future__ import annotations

import json
import re
import stat
from pathlib import Path
from typing import Any

import yaml

from dlx.core.errors import ArtefactError

MAX_BYTES = 64 * 2**20
MAX_JSON_BYTES = 2**22
MAX_DEPTH = 12
MAX_PLAIN = 2000
MAX_DIGITS = 30
# Keys below which texts are the user's: where data and saved weights lie, what columns, categories and classes are
# called.
OF_DATA = ("dataset", "given", "init_from", "reference")
_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_TRAVERSAL = re.compile(r"(^|[/\\])\.\.([/\\]|$)|^[/\\~]|^[A-Za-z]:[/\\]")


def read_yaml(path: Path, max_bytes: int = MAX_BYTES) -> dict[str, Any]:
    """Read a YAML mapping.

    Raises:
        ArtefactError: not a plain mapping: alias, tag, interpolation, path, too large or too deep.
    """
    text = read_text(path, max_bytes)
    try:
        _refuse_graph(text, path)
        value = yaml.load(text, Loader=_Loader)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ArtefactError(f"{path} refused: not valid YAML ({str(error).splitlines()[0]})") from error
    return plain_mapping(value, str(path))


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON mapping of results. Its strings are shown to people and never looked up, so any text may be in it."""
    return _parse_json(read_text(path, MAX_JSON_BYTES), str(path))


def parse_json(text: str, where: str) -> dict[str, Any]:
    """Parse a JSON mapping under the rules of `read_yaml`; `where` names it in errors."""
    return plain_mapping(_parse_json(text, where), where)


def _parse_json(text: str, where: str) -> dict[str, Any]:
    try:
        value = json.loads(text, parse_constant=_refuse_number, parse_int=_bounded)
    except (ValueError, RecursionError) as error:
        raise ArtefactError(f"{where} refused: not valid JSON ({error})") from error
    if not isinstance(value, dict):
        raise ArtefactError(f"{where} refused: a mapping was expected, got {type(value).__name__}")
    return value


def read_text(path: Path, max_bytes: int = MAX_BYTES) -> str:
    """Read a UTF-8 file of bounded size. Raises ArtefactError where it is absent, too large or not text."""
    try:
        facts = path.stat()
        if not stat.S_ISREG(facts.st_mode):
            raise ArtefactError(f"{path} refused: not a plain file")
        if facts.st_size > max_bytes:
            raise ArtefactError(f"{path} refused: larger than {max_bytes} bytes")
        return path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise ArtefactError(f"{path} is missing") from error
    except (OSError, UnicodeDecodeError) as error:
        raise ArtefactError(f"{path} refused: {error}") from error


def plain_mapping(value: Any, where: str) -> dict[str, Any]:
    """Check that a value is a mapping of plain data. Raises ArtefactError naming what is hostile in it."""
    if not isinstance(value, dict):
        raise ArtefactError(f"{where} refused: a mapping was expected, got {type(value).__name__}")
    _refuse_hostile(value, where, 0)
    return value


def _refuse_graph(text: str, path: Path) -> None:
    # An alias lets 200 bytes expand to gigabytes, a tag names a type to construct, depth overflows the stack, and a
    # number of thousands of digits takes minutes to read: none is ever written by dlx.
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_DEPTH:
            raise ArtefactError(f"{path} refused: nested deeper than {MAX_DEPTH}")
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
            raise ArtefactError(f"{path} refused: YAML aliases are not allowed")
        if getattr(event, "tag", None) is not None:
            raise ArtefactError(f"{path} refused: YAML tags are not allowed")
        if isinstance(event, yaml.ScalarEvent) and not event.style and len(event.value) > MAX_PLAIN:
            raise ArtefactError(f"{path} refused: a value of {len(event.value)} characters without quotes")


def _refuse_hostile(value: Any, where: str, depth: int, of_data: bool = False) -> None:
    if depth > MAX_DEPTH:
        raise ArtefactError(f"{where} refused: nested deeper than {MAX_DEPTH}")
    if isinstance(value, dict):
        for name, item in value.items():
            if not isinstance(name, str) or (name.startswith("_") and (name.endswith("_") or not of_data)):
                raise ArtefactError(f"{where} refused: the key {name!r} is not allowed in a saved file")
            _refuse_hostile(name, where, depth + 1, of_data)
            _refuse_hostile(item, where, depth + 1, of_data or name in OF_DATA)
    elif isinstance(value, list):
        for item in value:
            _refuse_hostile(item, where, depth + 1, of_data)
    elif isinstance(value, str):
        if "${" in value:
            raise ArtefactError(f"{where} refused: interpolation is not allowed in a saved file")
        if _TRAVERSAL.search(value) and not of_data:
            raise ArtefactError(f"{where} refused: paths are not allowed in a saved file")
    elif not (value is None or isinstance(value, bool | int | float)):
        raise ArtefactError(f"{where} refused: {type(value).__name__} is not plain data")


def _refuse_number(text: str) -> float:
    raise ValueError(f"{text} is not a number of JSON")


def _bounded(text: str) -> int:
    if len(text) > MAX_DIGITS:
        raise ValueError(f"a number of {len(text)} digits")
    return int(text)
