"""Tables that fit a terminal: short headings, and no column broken within a word."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from dlx.report.diagnosing.typed import joined

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

# What no terminal has: a table laid out in it is as wide as it wants to be.
ENDLESS = 100_000
# The heading of settings that share a column.
SETTINGS = "settings"


def headings(keys: Sequence[str]) -> list[str]:
    """Shorten keys to endings that no other key has: lr for optimizer.lr, dropout.rate for regularizer.dropout.rate."""
    return [_heading(key, keys) for key in keys]


def _heading(key: str, keys: Sequence[str]) -> str:
    words = key.split(".")
    for start in range(min(1, len(words) - 1), -1, -1):
        ending = ".".join(words[start:])
        if sum(f".{other}".endswith(f".{ending}") for other in keys) == 1:
            return ending
    return key


def short(key: str, value: Any) -> str:
    """Format a value for a narrow column: a number to four digits, else as it is typed."""
    return f"{value:.4g}" if isinstance(value, float) else typed_value(key, value)


def typed_value(key: str, value: Any) -> str:
    """Write a value as it is typed for one run; numbers to the last digit."""
    from dlx.config.options import LIST_GROUPS
    from dlx.sweep.tables import cell

    if value is None or isinstance(value, bool):
        return "null" if value is None else str(value).lower()
    if isinstance(value, float):
        return repr(value)
    text = cell(value).replace(", ", ",")
    return f"[{text}]" if key in LIST_GROUPS and text != "none" else text


def shortened(points: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    """Return each point, by short headings and with short values. All points have the same keys, as typed."""
    keys = list(points[0])
    return [{name: short(key, point[key]) for name, key in zip(headings(keys), keys, strict=True)} for point in points]


def in_one(settings: Mapping[str, str]) -> dict[str, str]:
    """Join settings into one column, which may be broken between two of them."""
    return {SETTINGS: " ".join(f"{name}={value}" for name, value in settings.items())} if settings else {}


def point_text(point: Mapping[str, Any]) -> str:
    """Write the settings of a configuration ready to be typed again."""
    return joined(f"{key}={typed_value(key, value)}" for key, value in point.items()) or "the only configuration"


def fitting(console: Console, tables: Sequence[Table]) -> Table:
    """Return the first table that the console shows without breaking a word, else the last."""
    for table in tables:
        keep_whole(table)
    options = console.options.update(max_width=ENDLESS)
    return next((table for table in tables if console.measure(table, options=options).minimum <= console.width),
                tables[-1])


def keep_whole(table: Table) -> None:
    """Make columns at least as wide as what they may not break: a cell where they do not wrap, else a word."""
    from rich.cells import cell_len
    from rich.markup import render

    for column in table.columns:
        texts = [render(str(cell)).plain for cell in (column.header, *column.cells)]
        parts = texts if column.no_wrap else [word for text in texts for word in text.split()]
        column.min_width = max(map(cell_len, parts))
