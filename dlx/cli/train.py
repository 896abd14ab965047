"""dlx train"""

from __future__ import annotations

import argparse
import functools
import json
from pathlib import Path

from dlx.cli.arguments import add_json, command_parser


def parser() -> argparse.ArgumentParser:
    """Return the parser."""
    result = command_parser("train", "Train one configuration with one seed, and report how well it generalizes.")
    result.epilog = f"{result.epilog}  split=kfold split.fold=all       every fold of a cross-validation\n"
    result.add_argument("--dry-run", action="store_true", help="show what would run, and stop")
    add_json(result)
    return result


def run(args: argparse.Namespace) -> int:
    """Compose, check, train, report; all folds are a sweep over them."""
    from dlx.sweep.folds import asks_for_all, with_all_folds

    if asks_for_all(args.overrides):
        from dlx.cli.sweep import run_sweep

        return run_sweep(args, with_all_folds("train", args.overrides, args.config_dir))
    return run_one(args)


def run_one(args: argparse.Namespace) -> int:
    """Compose, check, train, report."""
    from dlx.config.build import ANY_PACKAGE, build
    from dlx.config.compose import compose
    from dlx.config.saved import config_hash, to_saved
    from dlx.core.subject import check_sections

    config = compose("train", args.overrides, args.config_dir)
    saved = to_saved(config)
    parts = build(saved, [ANY_PACKAGE], config["checkpoint_seconds"])
    check_sections(parts.report)
    if args.dry_run and args.json:
        print(json.dumps(saved))
        return 0
    if args.dry_run:
        from dlx.cli.show import print_config

        print_config(saved)
        return 0
    from dlx.cli.outcome import show_outcome
    from dlx.cli.progress import observe
    from dlx.record.folder import RunFolder
    from dlx.record.provenance import git_state
    from dlx.run import Surroundings, describe, execute_in_processes, read_data

    surroundings = Surroundings.of(config)
    shelf = read_data(parts, saved, surroundings.data_dir)
    # Each command sees the repository as it finds it, also where one process gives several.
    git_state.cache_clear()
    folder = RunFolder.create(Path(config["runs_dir"]), saved["name"], config_hash(saved))
    shown = functools.partial(observe, saved, folder.path, quiet=args.json)
    with folder, show_outcome(folder.path, args.json):
        describe(folder, saved, args.overrides)
        execute_in_processes(parts, saved, folder, surroundings, shown, shelf=shelf)
    return 0
