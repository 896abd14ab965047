"""dlx validate"""

from __future__ import annotations

import argparse

from dlx.cli.arguments import command_parser


def parser() -> argparse.ArgumentParser:
    """Return the parser."""
    return command_parser("validate", "Check a configuration: names, types, ranges, and that its parts fit together.")


def run(args: argparse.Namespace) -> int:
    """Compose and build, and say that it holds."""
    from dlx.config.build import ANY_PACKAGE, build
    from dlx.config.compose import compose
    from dlx.config.saved import config_hash, to_saved

    saved = to_saved(compose("train", args.overrides, args.config_dir))
    build(saved, [ANY_PACKAGE])
    print(f"valid: {saved['name']} {config_hash(saved)}")
    return 0
