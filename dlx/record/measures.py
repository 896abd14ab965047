"""measures/<section>.json: what a section of the report measured, to be rendered without torch, again and again."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from dlx.core.errors import ArtefactError
from dlx.core.measures import Definition, Measure, Measures
from dlx.record import atomic, layout
from dlx.record.safe_yaml import read_json

FORMAT = 1
# They name files.
SECTION = re.compile(r"[a-z][a-z0-9_]{0,60}")
_KEYS = {item.name for item in fields(Measure)}
_NUMBERS = ("value", "low", "high", "level")


def write_measures(folder: Path, section: str, measures: Measures) -> None:
    """Write what a section measured of a run.

    Raises:
        StorageError: it cannot be written.
    """
    with atomic.storage_errors(folder):
        (folder / layout.MEASURES).mkdir(exist_ok=True)
    content = {"format": FORMAT, "section": section, "settings": dict(measures.settings),
               "seconds": round(measures.seconds, 6), "skipped": list(measures.skipped),
               "definitions": {name: own._asdict() for name, own in measures.definitions.items()},
               "numbers": [as_plain(item) for item in measures.numbers], "details": dict(measures.details)}
    atomic.write_text(path_of(folder, section), json.dumps(content, allow_nan=False) + "\n", "file")


def as_plain(item: Measure) -> dict[str, Any]:
    """Return a number as JSON holds it, without what it has not."""
    return {name: value for name, value in asdict(item).items()
            if name == "value" or not (value is None or value == "" or value == {})}


def read_measures(folder: Path) -> dict[str, Measures]:
    """Read what the sections of a run measured, by section.

    Raises:
        ArtefactError: a file is damaged.
    """
    if not (folder / layout.MEASURES).is_dir():
        return {}
    names = sorted(path.stem for path in (folder / layout.MEASURES).glob("*.json"))
    found = {name: read_section(folder, name) for name in names if SECTION.fullmatch(name)}
    return {name: own for name, own in found.items() if own is not None}


def read_section(folder: Path, section: str) -> Measures | None:
    """Read what one section of a run measured; None where it did not.

    Raises:
        ArtefactError: the file is damaged.
    """
    path = path_of(folder, section)
    if not path.is_file():
        return None
    try:
        return _parse(path, read_json(path))
    except ArtefactError as error:
        raise ArtefactError(f"{error}; to measure it again: dlx evaluate {folder} 'report=[{section}]'") from error


def path_of(folder: Path, section: str) -> Path:
    """Return the file of a section."""
    assert SECTION.fullmatch(section), section
    return folder / layout.MEASURES / f"{section}.json"


def _parse(path: Path, raw: Mapping[str, Any]) -> Measures:
    if raw.get("format") != FORMAT:
        raise ArtefactError(f"{path} has format {str(raw.get('format'))[:20]!r}; this version of dlx reads {FORMAT}")
    try:
        numbers = tuple(_number(item) for item in raw["numbers"])
        definitions = {str(name): Definition(str(own["text"]), str(own["source"]), int(own["version"]))
                       for name, own in raw["definitions"].items()}
        return Measures(numbers, dict(raw["details"]), tuple(map(str, raw["skipped"])), dict(raw["settings"]),
                        float(raw["seconds"]), definitions)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ArtefactError(f"{path} refused: {type(error).__name__} at {str(error)[:100]}") from error


def _number(raw: Mapping[str, Any]) -> Measure:
    if raw.keys() - _KEYS:
        raise ValueError(f"unknown key {sorted(raw.keys() - _KEYS)[0]}")
    of = {str(key): value if isinstance(value, int | float) else str(value) for key, value in raw.get("of", {}).items()}
    checked = {name: None if raw[name] is None else float(raw[name]) for name in _NUMBERS if name in raw}
    method = raw.get("method")
    return Measure(str(raw["name"]), checked["value"], str(raw.get("split", "")), str(raw.get("checkpoint", "")), of,
                   checked.get("low"), checked.get("high"), None if method is None else str(method),
                   checked.get("level"), int(raw.get("n", 0)), int(raw.get("num_draws", 0)))
