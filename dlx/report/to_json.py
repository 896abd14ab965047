"""A report as JSON: the words, and the raw numbers they were made from.

The file is strict JSON: a number that is not finite is null. Of two reports of the same run on the same machine it
differs in seconds alone. Format 3 has these keys:

- title, verdict, diagnosis: what the run is called, how it went in a sentence, and in a word.
- lead: the first screen, a list of {topic, text, command}; topic is result, certainty, cause, trust or next.
- numbers: every measured number, flat, each with all of: section, name (defined in definitions), split ("" for none),
  checkpoint ("" for none), of (what else it is of: layer, class, severity, ...), value (null where it is undefined:
  method says why), low and high at level made by method (null without an interval), n examples, num_draws of a
  simulation, definition_version, and seconds that its section took.
- definitions: by section.name: text (formula and conventions), source, version. A version is counted up where the same
  files would give another number.
- conventions: by name: what the definitions rest on, such as which examples a subset has and how resamples are drawn.
- measured: by section: settings, skipped (what was not measured, and why) and seconds.
- sections: what is shown, in reading order: key, title, sentences, points, notes, tables, commands, figures (file, alt,
  caption), values (plain data of its own) and parts, which are sections again.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import fields
from types import MappingProxyType
from typing import Any

from dlx.core.measures import Measure, Measures
from dlx.report.conventions import CONVENTIONS
from dlx.report.section import Document, Section

FORMAT = 3
# In the order of the file, so that rows of all reports line up.
KEYS = tuple(item.name for item in fields(Measure))


def to_json(document: Document, figures: str, measures: Mapping[str, Measures] = MappingProxyType({})) -> str:
    """Write a report; numbers that are not finite become null, since JSON has none.

    Args:
        figures: folder of the pictures, relative to the file.
        measures: what sections measured.
    """
    content = {
        "format": FORMAT,
        "title": document.title,
        "verdict": document.verdict,
        "diagnosis": document.diagnosis,
        "lead": [told._asdict() for told in document.lead],
        "numbers": list(flat(measures)),
        "definitions": {f"{name}.{number}": what._asdict() for name, own in measures.items()
                        for number, what in own.definitions.items()},
        "conventions": CONVENTIONS,
        "measured": {name: {"settings": dict(own.settings), "skipped": list(own.skipped), "seconds": own.seconds}
                     for name, own in measures.items()},
        "sections": [_section(section, figures) for section in document.sections],
    }
    return "{\n" + ",\n".join(f'"{key}": {_dumped(value)}' for key, value in content.items()) + "\n}\n"


def flat(measures: Mapping[str, Measures]) -> Iterator[dict[str, Any]]:
    """List every number with all that is known of it."""
    for name, own in measures.items():
        for item in own.numbers:
            what = own.definitions.get(item.name)
            yield {"section": name, **{key: getattr(item, key) for key in KEYS}, "of": dict(item.of),
                   "definition_version": None if what is None else what.version, "seconds": own.seconds}


def _dumped(value: Any) -> str:
    """Write a value; of a list an item per line, which makes two reports easy to compare."""
    if isinstance(value, list) and value:
        return "[\n " + ",\n ".join(map(_dumped, value)) + "\n]"
    return json.dumps(finite(value), allow_nan=False, ensure_ascii=False)


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
