"""dlx list"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from dlx.cli.arguments import add_json, command_parser
from dlx.config import options
from dlx.core.errors import ConfigError


def parser() -> argparse.ArgumentParser:
    """Return the parser."""
    result = command_parser("list", "List config groups, or the options of one with their defaults.", overrides=False)
    result.add_argument("group", nargs="?", help="a group, e.g. model")
    result.add_argument("--config-dir", type=Path, metavar="DIR", help="a folder with config groups of your own")
    add_json(result)
    return result


def run(args: argparse.Namespace) -> int:
    """Print groups, or options."""
    from dlx.config.compose import search_folders

    folders = search_folders(args.config_dir)
    groups = options.groups(folders)
    if args.group is not None and args.group not in groups:
        raise ConfigError(f"unknown group {args.group}; groups are {', '.join(groups)}"
                          f"{options.near(args.group, groups)}")
    if args.group is None:
        table = {group: options.options(group, folders) for group in groups}
        print(json.dumps(table) if args.json else "\n".join(f"{name:<15}{', '.join(table[name])}" for name in table))
        return 0
    described = describe(args.group, folders)
    print(json.dumps(described) if args.json else text(described) + shared_text(args.group))
    return 0


def describe(group: str, folders: Sequence[Path]) -> dict[str, dict[str, object]]:
    """Return every option of a group with what it is and its defaults."""
    described: dict[str, dict[str, object]] = {}
    for name in options.options(group, folders):
        path = options.find_option(group, name, folders)
        assert path is not None, name
        values = options.read_option(path)
        values = values.get(group, values)
        defaults = {key: value for key, value in values.items() if key not in ("_target_", "defaults")}
        described[name] = {"about": options.describe_option(path), "defaults": defaults}
    return described


def text(described: dict[str, dict[str, object]]) -> str:
    """Lay options out for a terminal."""
    lines = []
    width = max([15, *(len(name) + 1 for name in described)])
    for name, facts in described.items():
        lines.append(f"{name:<{width}}{facts['about']}")
        defaults = facts["defaults"]
        assert isinstance(defaults, dict), name
        lines += [f"{'':<{width + 2}}{key}: {json.dumps(value)}" for key, value in defaults.items()]
    return "\n".join(lines)


def shared_text(group: str) -> str:
    """Lay out the keys that every option of a group has, or nothing."""
    keys = {key.partition(".")[2]: value for key, value in options.read_root("train")[1].items()
            if key.startswith(f"{group}.")}
    lines = [f"{'':<17}{key}: {json.dumps(value)}" for key, value in keys.items()]
    return "\n".join(["", f"of every {group}", *lines]) if keys else ""
