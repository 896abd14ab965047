"""dlx data: what can be done with data alone."""

from __future__ import annotations

import argparse
import importlib

from dlx.cli.arguments import add_json, command_parser

ACTIONS = {
    "inspect": "show sizes, types, classes, ranges and problems of a dataset",
    "fetch": "download a dataset before a sweep does",
    "clean": "remove decoded copies of folders",
}


def parser() -> argparse.ArgumentParser:
    """Return the parser."""
    result = command_parser("data", "\n".join(f"{name:<9}{what}" for name, what in ACTIONS.items()),
                            overrides=False)
    result.add_argument("action", choices=ACTIONS, help="what to do")
    result.add_argument("overrides", nargs="*", metavar="key=value", help="what to change: dataset=digits")
    add_json(result)
    return result


def run(args: argparse.Namespace) -> int:
    """Run one action."""
    return int(importlib.import_module(f"dlx.cli.data_{args.action}").run(args))
