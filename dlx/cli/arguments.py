"""Arguments that sub-commands share."""

from __future__ import annotations

import argparse
from pathlib import Path

GRAMMAR = """overrides use Hydra's grammar:
  model=cnn                        choose an option of a group (dlx list)
  optimizer.lr=3e-4                set a value (dlx show)
  regularizer=[dropout,l2]         choose several
"""


def command_parser(name: str, description: str, overrides: bool = True) -> argparse.ArgumentParser:
    """Return a parser, with overrides and --config-dir where a command composes a configuration."""
    parser = argparse.ArgumentParser(
        prog=f"dlx {name}", description=description, epilog=GRAMMAR if overrides else None,
        formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False)
    if overrides:
        parser.add_argument("overrides", nargs="*", metavar="key=value", help="what to change")
        parser.add_argument("--config-dir", type=Path, metavar="DIR", help="a folder with config groups of your own")
    return parser


def add_json(parser: argparse.ArgumentParser) -> None:
    """Add --json."""
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")


def add_trust(parser: argparse.ArgumentParser) -> None:
    """Add --trust."""
    parser.add_argument("--trust", action="append", default=[], metavar="PACKAGE",
                        help="allow a saved configuration to use code of this package of yours")
