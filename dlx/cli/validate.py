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
    from dlx.sweep.folds import asks_for_all, with_all_folds

    with_all_folds("train", args.overrides, args.config_dir)
    # All folds are valid where the first is.
    overrides = [text for text in args.overrides if not asks_for_all([text])]
    saved = to_saved(compose("train", overrides, args.config_dir))
    build(saved, [ANY_PACKAGE])
    print(f"valid: {saved['name']} {config_hash(saved)}")
    return 0
