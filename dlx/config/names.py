"""A first look at what was typed, before Hydra is imported: are all names known?

It answers only where unknown names are all that is wrong; whatever it cannot read plainly is left to `compose`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml

from dlx.config import options
from dlx.config.schema import type_problem
from dlx.core.errors import ConfigError
from dlx.core.wording import alternatives

_PLAIN = re.compile(r"(?:\+\+)?([A-Za-z_][\w.]*)=([\w.+-]+|\[[\w.,+-]*\])")


def refuse_unknown(root: str, overrides: Sequence[str], folders: Sequence[Path]) -> None:
    """Raise ConfigError where names that do not exist are the only problem of plainly written overrides."""
    known = dict(known_keys(root, folders))
    groups, _ = options.read_root(root)
    problems: list[str] = []
    for text in overrides:
        match = _PLAIN.fullmatch(text)
        if match is None:
            return
        try:
            key, value = match[1], yaml.safe_load(match[2])
        except (yaml.YAMLError, ValueError):
            return
        if key in groups:
            chosen = value if isinstance(value, list) else [value]
            problems += option_problems(key, [str(option) for option in chosen if option is not None], folders)
        elif key not in known:
            problems.append(unknown_key(key, [*groups, *known], ()))
        elif isinstance(known[key], dict) or type_problem(known[key], value) is not None:
            return
    if problems:
        raise ConfigError(*problems)


def unknown_key(key: str, known: Sequence[str], folders: Sequence[Path]) -> str:
    """Say that a key does not exist, or whose it is among the options of the folders."""
    group, _, rest = key.partition(".")
    if rest in options.RUNTIME.get(group, ()):
        return f"{key} comes from the data and cannot be set"
    owners = [option for option in options.options(group, folders) if key in dict(option_keys(group, option, folders))]
    if rest and owners:
        return f"{key} belongs to {alternatives([f'{group}={option}' for option in owners])}, which is not chosen"
    return f"unknown key {key}{options.near(key, known)}"


def option_problems(group: str, chosen: Sequence[str], folders: Sequence[Path]) -> list[str]:
    """Say which options of a group do not exist."""
    known = options.options(group, folders)
    return [f"{group}={option} does not exist; {group} is one of {', '.join(known)}{options.near(option, known)}"
            for option in chosen if option not in known]


def known_keys(root: str, folders: Sequence[Path]) -> Iterator[tuple[str, Any]]:
    """Yield every key of every option with its default, the root's among them."""
    groups, keys = options.read_root(root)
    yield from keys.items()
    for group in groups:
        for option in options.options(group, folders):
            yield from option_keys(group, option, folders)


def option_keys(group: str, option: str, folders: Sequence[Path]) -> Iterator[tuple[str, Any]]:
    """Yield the keys of one option, as they are typed, with their defaults; a preset has none of its own."""
    if group == options.PRESETS:
        return
    path = options.find_option(group, option, folders)
    assert path is not None, (group, option)
    values = options.read_option(path)
    prefix = f"{group}.{option}" if group in options.LIST_GROUPS else group
    for key, value in values.get(group, values).items():
        if key not in ("_target_", "defaults"):
            yield f"{prefix}.{key}", value
