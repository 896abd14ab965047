"""Overrides as they are typed, put together into a command line."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable

# Brackets are left bare, as everywhere in the documentation: bash takes them, and zsh where nothing matches.
PLAIN = re.compile(r"[\w@%+=:,./\[\]~-]+", re.ASCII)


def key(override: str) -> str:
    """Return what an override sets: optimizer.lr of +optimizer.lr=0.1."""
    return override.partition("=")[0].lstrip("+~")


def command_line(command: str, overrides: Iterable[str]) -> str:
    """Write a command ready to be copied into a shell."""
    return " ".join([command, *map(_quoted, overrides)])


def joined(overrides: Iterable[str]) -> str:
    """Write overrides ready to be copied behind a command."""
    return " ".join(map(_quoted, overrides))


def _quoted(token: str) -> str:
    return token if PLAIN.fullmatch(token) else shlex.quote(token)
