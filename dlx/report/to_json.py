"""A report as JSON: the words, and the raw numbers they were made from."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from importlib import import_module
from types import MappingProxyType
from typing import Any

from dlx.core.measures import Measures
from dlx.record.measures import as_plain, section_of
from dlx.report.section import Document, Section

FORMAT = 2


def to_json(document: Document, figures: str, measures: Mapping[str, Measures] = MappingProxyType({})) -> str:
    """Write a report; numbers that are not finite become null, since JSON has none."""
    known = {name: import_module(f"dlx.report.{section_of(name)}").DEFINITIONS for name in measures}
    content = {
        "format": FORMAT,
        "title": document.title,
        "verdict": document.verdict,
        "diagnosis": document.diagnosis,
        "numbers": [{"section": name, **as_plain(item), "definition_version": known[name][item.name].version,
                     "seconds": own.seconds} for name, own in measures.items() for item in own.numbers],
        "definitions": {f"{section_of(name)}.{number}": own._asdict() for name, all_of in known.items()
                        for number, own in all_of.items()},
        "sections": [_section(section, figures) for section in document.sections],
    }
    return json.dumps(finite(content), indent=1, allow_nan=False, ensure_ascii=False) + "\n"


def _section(section: Section, figures: str) -> dict[str, Any]:
    return {
        "key": section.key,
        "title": section.title,
        "sentences": section.sentences,
        "points": section.points,
        "notes": section.notes,
        "tables": [{"title": item.title, "columns": item.columns, "rows": item.rows} for item in section.tables],
        "commands": [{"command": item.text, "why": item.why} for item in section.commands],
        "figures": [{"file": f"{figures}/{item.name}.png", "alt": item.alt, "caption": item.caption}
                    for item in section.figures],
        "values": section.values,
        "parts": [_section(part, figures) for part in section.parts],
    }


def finite(value: Any) -> Any:
    """Return plain data in which numbers that are not finite are None."""
    if isinstance(value, Mapping):
        return {str(name): finite(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
