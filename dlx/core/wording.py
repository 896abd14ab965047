"""Pieces of the sentences in which errors are told."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence

SHOWN = 5
MOST_CHARACTERS = 200


def listed(word: str, numbers: Sequence[int]) -> str:
    """Write numbers of rows or lines, the first few of many: "line 3", "rows 3, 4 and 5"."""
    shown = [str(number) for number in numbers[:SHOWN]]
    if len(numbers) > SHOWN:
        return f"{word}s {', '.join(shown)} and {len(numbers) - SHOWN} more"
    return f"{word} {shown[0]}" if len(shown) == 1 else f"{word}s {', '.join(shown[:-1])} and {shown[-1]}"


def alternatives(words: Sequence[str]) -> str:
    """Write words of which one counts: "a", "a or b", "a, b or c"."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"


def closest(name: str, known: Iterable[str], cutoff: float = 0.6) -> str | None:
    """Return the name most like one that is not known, capitals aside; None where none is.

    Args:
        cutoff: how like, in [0, 1]: the ratio of difflib.
    """
    lower = {item.lower(): item for item in known}
    close = difflib.get_close_matches(name.lower(), lower, 1, cutoff)
    return lower[close[0]] if close else None


def near(name: str, known: Iterable[str]) -> str:
    """Return "; did you mean a?" with the name most like one that is not known, or nothing."""
    meant = closest(name, known)
    return "" if meant is None else f"; did you mean {meant}?"


def reason(error: BaseException) -> str:
    """Return the first words of what another library says, in one line."""
    return " ".join(str(error).split())[:MOST_CHARACTERS]
